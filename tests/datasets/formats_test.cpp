#include "datasets/dataset.hpp"
#include "datasets/hdf5.hpp"
#include "suite/base/h5.hpp"
#include "suite/base/seal.hpp"
#include "suite/base/sha256.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/datasets/image_bytes.hpp"

#include <catch2/catch.hpp>

#include <hdf5.h>

using namespace bitquake;
using namespace bitquake::datasets;
using namespace bitquake::test;

namespace {

const std::filesystem::path kShared = std::filesystem::path(BITQUAKE_SOURCE_DIR) / "../shared/data";

bool missing(const char* file) {
  if (std::filesystem::exists(kShared / file)) return false;
  WARN("skipped: ../shared/data/" << file << " is missing");
  return true;
}

std::string what(const OpenedDataset& opened) {
  REQUIRE_FALSE(opened);
  REQUIRE(opened.error().code == Errc::data);
  REQUIRE_FALSE(opened.error().where.empty());
  REQUIRE_FALSE(opened.error().hint.empty());
  return opened.error().what;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A CIFAR record: label bytes, then red all `shade`, green all `shade` + 1, blue all `shade` + 2.
std::string record(const std::string& labels, int shade) {
  std::string text = labels;
  for (int c = 0; c < 3; ++c) text += std::string(1024, static_cast<char>(shade + c));
  return text;
}

}  // namespace

// --- CIFAR ---

TEST_CASE("CIFAR-10 files follow each other", "[datasets][cifar]") {
  const TempDirectory directory;
  std::string second = record("\x09", 100);
  second[1 + 1] = '\x07';          // red of the pixel in row 0, column 1
  second[1 + 1024 + 32] = '\x08';  // green of the pixel in row 1, column 0
  write_bytes(directory / "a.bin", record("\x03", 10) + record("\x04", 20));
  write_bytes(directory / "b.bin", second);
  write_bytes(directory / "names", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
  const auto data = value_or_throw(open_cifar("c", {directory / "a.bin", directory / "b.bin"},
                                              CifarLabels::cifar10, directory / "names"));
  REQUIRE(data->size() == 3);
  REQUIRE(data->fixed_size() == cv::Size(32, 32));
  REQUIRE(data->files() == std::vector<std::string>{"a.bin", "b.bin"});
  REQUIRE(data->categories().size() == 10);
  REQUIRE(data->categories()[9] == Category{9, "j"});
  REQUIRE(data->checksums().size() == 3);
  const Sample last = *data->get(2);
  REQUIRE(last.label == 9);
  REQUIRE(last.index == 2);
  REQUIRE(last.file_number == 1);
  REQUIRE(last.content_hash == hash64(std::as_bytes(std::span(second).subspan(1))));
  const bool pixels = last.image.at<cv::Vec3b>(0, 0) == cv::Vec3b(100, 101, 102) &&
                      last.image.at<cv::Vec3b>(0, 1) == cv::Vec3b(7, 101, 102) &&
                      last.image.at<cv::Vec3b>(1, 0) == cv::Vec3b(100, 8, 102);
  REQUIRE(pixels);
  REQUIRE(data->entry(1).label == 4);
  REQUIRE(data->entry(1).file_number == 0);
}

TEST_CASE("CIFAR-100 has fine and coarse labels", "[datasets][cifar]") {
  const TempDirectory directory;
  write_bytes(directory / "a", record("\x13\x63", 10));
  const auto label = [&](CifarLabels labels) {
    const auto data = value_or_throw(open_cifar("c", {directory / "a"}, labels, std::nullopt));
    const bool pixel = data->get(0)->image.at<cv::Vec3b>(31, 31) == cv::Vec3b(10, 11, 12);
    REQUIRE(pixel);
    return *data->get(0)->label;
  };
  REQUIRE(label(CifarLabels::cifar100_coarse) == 19);
  REQUIRE(label(CifarLabels::cifar100_fine) == 99);
}

TEST_CASE("CIFAR files that are none are refused", "[datasets][cifar][error]") {
  const TempDirectory directory;
  const auto of = [&](const std::string& bytes, CifarLabels labels = CifarLabels::cifar10) {
    write_bytes(directory / "a", bytes);
    return what(open_cifar("c", {directory / "a"}, labels, std::nullopt));
  };
  const std::string good = record("\x01", 1);
  REQUIRE(has(of(""), "has 0 bytes, expected a multiple of 3073"));
  REQUIRE(has(of(good + "x"), "has 3074 bytes, expected a multiple of 3073"));
  REQUIRE(has(of(good.substr(1)), "has 3072 bytes"));
  REQUIRE(of(good + record("\x0A", 1)) == "record 1 has label 10, expected 0 to 9");
  REQUIRE(has(of(good, CifarLabels::cifar100_fine), "expected a multiple of 3074"));
  REQUIRE(
      has(of(record("\x14\x01", 1), CifarLabels::cifar100_coarse), "label 20, expected 0 to 19"));
  REQUIRE(has(what(open_cifar("c", {directory / "no"}, CifarLabels::cifar10, std::nullopt)),
              "cannot be read"));
  write_bytes(directory / "a", good);
  write_bytes(directory / "names", "a\nb\n");
  REQUIRE(what(open_cifar("c", {directory / "a"}, CifarLabels::cifar10, directory / "names")) ==
          "has 2 class names, the data set has 10 classes");
}

TEST_CASE("the CIFAR-10 test set has 1000 images of each class", "[datasets][cifar][published]") {
  if (missing("cifar10/test_batch.bin")) return;
  const auto data = value_or_throw(
      open_cifar("c", {kShared / "cifar10/test_batch.bin"}, CifarLabels::cifar10, std::nullopt));
  std::vector<int> count(10);
  for (std::uint64_t i = 0; i < data->size(); ++i) {
    ++count[static_cast<std::size_t>(*data->entry(i).label)];
  }
  REQUIRE(count == std::vector<int>(10, 1000));
}

// --- NumPy ---

TEST_CASE("a severity is a fifth of a NumPy file", "[datasets][npy]") {
  const TempDirectory directory;
  std::string pixels, labels;
  for (int i = 0; i < 10; ++i) {
    pixels += std::string(2 * 3 * 3, static_cast<char>(i));
    labels += std::string(1, static_cast<char>(i)) + std::string(7, '\0');
  }
  write_bytes(directory / "fog.npy", npy("|u1", "(10, 2, 3, 3)", pixels));
  write_bytes(directory / "labels.npy", npy("<i8", "(10,)", labels));
  const auto open = [&](std::optional<unsigned> severity) {
    return value_or_throw(
        open_npy("n", directory / "fog.npy", directory / "labels.npy", severity, std::nullopt));
  };
  REQUIRE(open(std::nullopt)->size() == 10);
  const auto third = open(3);
  REQUIRE(third->size() == 2);
  const Sample sample = *third->get(1);
  REQUIRE(sample.index == 5);
  REQUIRE(sample.label == 5);
  REQUIRE(sample.image.size() == cv::Size(3, 2));
  const bool pixel = sample.image.at<cv::Vec3b>(1, 2) == cv::Vec3b(5, 5, 5);
  REQUIRE(pixel);
}

TEST_CASE("NumPy files of another kind are refused", "[datasets][npy][error]") {
  const TempDirectory directory;
  const auto of = [&](const std::string& bytes, std::optional<unsigned> severity = std::nullopt) {
    write_bytes(directory / "a", bytes);
    return what(open_npy("n", directory / "a", std::nullopt, severity, std::nullopt));
  };
  REQUIRE(has(of(npy("<f4", "(1, 1, 1, 3)", std::string(12, '0'))), "expected images as uint8"));
  REQUIRE(has(of(npy("|u1", "(2, 3, 3, 3)", std::string(53, '0'))), "has 53 bytes of data"));
  REQUIRE(has(of(npy("|u1", "(2, 3)", std::string(6, '0'))), "has shape [2, 3], expected"));
  REQUIRE(has(of(npy("|u1", "(1, 2, 2, 4)", std::string(16, '0'))), "has shape"));
  REQUIRE(has(of(npy("|u1", "(0, 2, 2, 3)", "")), "has shape"));
  REQUIRE(has(of(npy("|u1", "(4294967296, 4294967296, 1, 3)", "x")), "is not what its header"));
  REQUIRE(has(of("hello"), "no .npy file"));
  REQUIRE(has(of(""), "no .npy file"));
  REQUIRE(has(of(npy("|u1", "(3, 1, 1, 3)", std::string(9, '0')), 2), "no five equal parts"));
  write_bytes(directory / "a", npy("|u1", "(2, 1, 1, 3)", std::string(6, '0')));
  const auto with = [&](const std::string& labels) {
    write_bytes(directory / "l", labels);
    return what(open_npy("n", directory / "a", directory / "l", std::nullopt, std::nullopt));
  };
  REQUIRE(has(with(npy("|u1", "(3,)", "abc")), "has 3 labels, expected one for each of 2 images"));
  REQUIRE(has(with(npy("<f8", "(2,)", std::string(16, '0'))), "expected labels as"));
  REQUIRE(has(with(npy("<i4", "(2,)", std::string(8, '\xFF'))), "label 0 is -1"));
}

// --- image folder ---

TEST_CASE("folders in sorted order are the classes", "[datasets][image_folder]") {
  const TempDirectory directory;
  for (const char* folder : {"b", "a/deep", "C", ".hidden"}) {
    std::filesystem::create_directories(directory / folder);
  }
  write_bytes(directory / "b/1.png", encoded(".png", plain(4, 6)));
  write_bytes(directory / "b/.DS_Store", "x");
  write_bytes(directory / "a/deep/9.png", encoded(".png", plain(5, 5)));
  write_bytes(directory / "a/z.jpg", encoded(".jpg", plain(7, 8)));
  write_bytes(directory / "readme.txt", "not in a class");
  const auto data = value_or_throw(open_image_folder("f", {directory.path(), {}, {}}));
  REQUIRE(data->files() == std::vector<std::string>{"a/deep/9.png", "a/z.jpg", "b/1.png"});
  REQUIRE(data->categories() == std::vector<Category>{{0, "C"}, {1, "a"}, {2, "b"}});
  const Sample sample = *data->get(2);
  REQUIRE(sample.label == 2);
  REQUIRE(sample.height == 4);
  REQUIRE(sample.width == 6);
  REQUIRE(sample.file == (directory / "b/1.png").string());
  REQUIRE(sample.content_hash ==
          std::stoull(sha256_hex(read_bytes(directory / "b/1.png")).substr(0, 16), nullptr, 16));
  REQUIRE(*data->content_hash(2) == sample.content_hash);
  REQUIRE_FALSE(data->fixed_size());
  REQUIRE(data->checksums()[0].second ==
          sha256_hex(std::string("a/deep/9.png 1\na/z.jpg 1\nb/1.png 2\n")));
}

TEST_CASE("a list names images and labels", "[datasets][image_folder]") {
  const TempDirectory directory;
  write_bytes(directory / "a b.png", encoded(".png", plain(4, 6)));
  const auto open = [&](const std::string& list) {
    write_bytes(directory / "list", list);
    return open_image_folder("f", {directory.path(), directory / "list", {}});
  };
  const auto data = value_or_throw(open("a b.png 7\r\n\nother.png\t0\n"));
  REQUIRE(data->size() == 2);
  REQUIRE(data->get(0)->label == 7);
  const auto gone = data->get(1);
  REQUIRE_FALSE(gone);
  REQUIRE(gone.error().where == (directory / "other.png").string());
  REQUIRE(what(open("")) == "names no images");
  REQUIRE(what(open("a.png\n")) == "'a.png' is no path and label");
  REQUIRE(what(open("a.png x\n")) == "label 'x' is no number of a class");
  REQUIRE(what(open("a.png -1\n")) == "label '-1' is no number of a class");
  REQUIRE(what(open(" 3\n")) == "there is no path");
  REQUIRE(what(open("a.png 1\nb.png 1\na.png 2\n")) == "'a.png' is in line 1 too");
  REQUIRE(open("a.png 1\nb.png 1\na.png 2\n").error().where ==
          (directory / "list").string() + ":3");
  REQUIRE(has(what(open(std::string("a\0.png 1\n", 9))), "which is no text"));
}

TEST_CASE("unreadable images are named", "[datasets][image_folder][error]") {
  const TempDirectory directory;
  std::filesystem::create_directories(directory / "a");
  write_bytes(directory / "a/1.png", encoded(".png", plain(4, 4)).substr(0, 50));
  write_bytes(directory / "a/2.png", "");
  write_bytes(directory / "a/3.txt", "notes");
  write_bytes(directory / "a/4.png", png_claiming(50'000, 50'000));
  const auto data = value_or_throw(open_image_folder("f", {directory.path(), {}, {}}));
  const std::vector<std::string> reasons{"is truncated", "is empty", "is no image",
                                         "has 50000 x 50000 pixels"};
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto sample = data->get(i);
    REQUIRE_FALSE(sample);
    REQUIRE(sample.error().where == (directory / data->files()[i]).string());
    REQUIRE(sample.error().what.starts_with(reasons[i]));
  }
  REQUIRE(has(what(open_image_folder("f", {directory / "none", {}, {}})), "no such directory"));
  REQUIRE(has(what(open_image_folder("f", {directory / "a/2.png", {}, {}})), "is no directory"));
  REQUIRE(has(what(open_image_folder("f", {directory / "a", {}, {}})), "holds no folders"));
}

// --- COCO ---

namespace {

const std::string kCocoImages =
    R"("images": [{"id": 7, "file_name": "b.png", "height": 10, "width": 20},
  {"id": 3, "file_name": "a.png", "height": 8, "width": 8}])";
const std::string kCocoCategories =
    R"("categories": [{"id": 90, "name": "cat"}, {"id": 1, "name": "dog"}])";
const std::string kCocoBox =
    R"({"id": 5, "image_id": 7, "category_id": 90, "bbox": [1.5, 2, 3, 4], "iscrowd": 0,
        "segmentation": [[1, 2, 3]]})";

struct Coco {
  TempDirectory directory;
  OpenedDataset open(const std::string& json) const {
    write_bytes(directory / "a.json", json);
    return open_coco("c", directory / "a.json", {directory.path(), {}, {}});
  }
  OpenedDataset with(const std::string& annotations) const {
    return open("{" + kCocoImages + "," + kCocoCategories + ", \"annotations\": [" + annotations +
                "]}");
  }
};

}  // namespace

TEST_CASE("COCO images have their boxes", "[datasets][coco]") {
  const Coco coco;
  write_bytes(coco.directory / "b.png", encoded(".png", plain(10, 20)));
  const auto data = value_or_throw(coco.with(
      kCocoBox +
      R"(, {"id": 0, "image_id": 7, "category_id": 1, "bbox": [0, 0, 20.4, 10], "iscrowd": 1})"));
  REQUIRE(data->size() == 2);
  REQUIRE(data->categories() == std::vector<Category>{{1, "dog"}, {90, "cat"}});
  const Sample sample = *data->get(0);
  REQUIRE(sample.id == 7);
  REQUIRE(sample.index == 0);
  REQUIRE_FALSE(sample.label);
  REQUIRE(sample.objects ==
          std::vector<Object>{{{1.5, 2, 4.5, 6}, 90, false, 5}, {{0, 0, 20.4, 10}, 1, true, 0}});
  REQUIRE(data->entry(1).id == 3);
}

TEST_CASE("COCO files that contradict themselves are refused", "[datasets][coco][error]") {
  const Coco coco;
  const auto box = [&](const std::string& from, const std::string& to) {
    std::string text = kCocoBox;
    text.replace(text.find(from), from.size(), to);
    return what(coco.with(text));
  };
  REQUIRE(has(what(coco.open("")), "is no JSON"));
  REQUIRE(has(what(coco.open("[1, 2")), "is no JSON"));
  REQUIRE(has(what(coco.open("[]")), "is no JSON object"));
  REQUIRE(has(what(coco.open("{}")), "has no list \"images\""));
  REQUIRE(box("\"id\": 5, ", "") == "has no \"id\"");
  REQUIRE(box("\"id\": 5", "\"id\": -5") == "\"id\" is '-5', expected a whole number from 0 on");
  REQUIRE(has(box("\"id\": 5", "\"id\": 1.5"), "expected a whole number"));
  REQUIRE(has(box("\"id\": 5", "\"id\": 18446744073709551615"), "expected a whole number"));
  REQUIRE(box("\"image_id\": 7", "\"image_id\": 8") ==
          "belongs to image 8, which is not in \"images\"");
  REQUIRE(box("90", "2") == "has category 2, which is not in \"categories\"");
  REQUIRE(box("[1.5, 2, 3, 4]", "[1, 2, 3]") == "has no \"bbox\" of four numbers");
  REQUIRE(box("[1.5, 2, 3, 4]", "[1, 2, -3, 4]") ==
          "box [1, 2] to [-2, 6] has a negative width or height");
  REQUIRE(box("[1.5, 2, 3, 4]", "[1, 2, 21, 4]") ==
          "box [1, 2] to [22, 6] reaches more than a pixel out of its image of 20 x 10");
  REQUIRE(box("\"iscrowd\": 0", "\"iscrowd\": 2") == "\"iscrowd\" is neither 0 nor 1");
  REQUIRE(what(coco.with(kCocoBox + "," + kCocoBox)) == "has the id 5 of an earlier annotation");
  REQUIRE(coco.with(kCocoBox + "," + kCocoBox).error().where ==
          (coco.directory / "a.json").string() + ", annotations[1]");
  const std::string image = R"({"id": 1, "file_name": "x", "height": 1, "width": 1})";
  REQUIRE(what(coco.open("{\"images\": [" + image + "," + image + "]," + kCocoCategories +
                         ", \"annotations\": []}")) == "has the id 1 of an earlier image");
  REQUIRE(
      has(what(coco.open(R"({"images": [{"id": 1, "file_name": "x", "height": 0, "width": 1}],)" +
                         kCocoCategories + ", \"annotations\": []}")),
          "expected 1 to 65536"));
  REQUIRE(has(what(coco.open("{" + kCocoImages + R"(, "categories": [{"id": 1, "name": "a"},
              {"id": 1, "name": "b"}], "annotations": []})")),
              "has the id 1 of an earlier category"));
}

TEST_CASE("a COCO image of another size than annotated is refused", "[datasets][coco][error]") {
  const Coco coco;
  write_bytes(coco.directory / "b.png", encoded(".png", plain(20, 10)));
  const auto sample = value_or_throw(coco.with(kCocoBox))->get(0);
  REQUIRE_FALSE(sample);
  REQUIRE(sample.error().what == "is 10 x 20 pixels, its annotation says 20 x 10");
}

TEST_CASE("50 images of COCO val2017 and their boxes are read", "[datasets][coco][published]") {
  if (missing("coco_val50/instances.json")) return;
  const auto data = value_or_throw(open_coco("coco", kShared / "coco_val50/instances.json",
                                             {kShared / "coco_val50/images", {}, {}}));
  REQUIRE(data->size() == 50);
  std::size_t boxes = 0, crowds = 0;
  for (std::uint64_t i = 0; i < data->size(); ++i) {
    const Sample sample = value_or_throw(data->get(i));
    boxes += sample.objects.size();
    for (const Object& object : sample.objects) crowds += object.crowd ? 1 : 0;
  }
  REQUIRE(boxes == 382);
  REQUIRE(crowds == 5);
}

// --- PASCAL VOC ---

namespace {

std::string voc_object(const std::string& name, const std::string& box,
                       const std::string& difficult = "0") {
  return "<object><name>" + name + "</name><difficult>" + difficult + "</difficult><bndbox>" + box +
         "</bndbox><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>";
}

std::string voc_box(int x0, int y0, int x1, int y1) {
  const auto tag = [](const char* name, int value) {
    return "<" + std::string(name) + ">" + std::to_string(value) + "</" + name + ">";
  };
  return tag("xmin", x0) + tag("ymin", y0) + tag("xmax", x1) + tag("ymax", y1);
}

std::string voc_xml(const std::string& objects, const std::string& image = "1.png") {
  return "<annotation><filename>" + image +
         "</filename><size><width>20</width><height>10</height><depth>3</depth></size>" + objects +
         "</annotation>";
}

struct Voc {
  TempDirectory directory;
  Voc() {
    std::filesystem::create_directories(directory / "Annotations");
    std::filesystem::create_directories(directory / "JPEGImages");
    write_bytes(directory / "JPEGImages/1.png", encoded(".png", plain(10, 20)));
  }
  OpenedDataset open(const std::string& xml) const {
    write_bytes(directory / "Annotations/1.xml", xml);
    return open_voc("v", {directory.path(), {}, {}});
  }
};

}  // namespace

TEST_CASE("VOC boxes count pixels from 1 and include the last", "[datasets][voc]") {
  const Voc voc;
  const auto data = value_or_throw(voc.open(voc_xml(voc_object("dog", voc_box(1, 1, 20, 10)) +
                                                    voc_object("cat", voc_box(3, 4, 5, 6), "1"))));
  const Sample sample = value_or_throw(data->get(0));
  REQUIRE(data->categories() == std::vector<Category>{{0, "cat"}, {1, "dog"}});
  REQUIRE(sample.objects ==
          std::vector<Object>{{{0, 0, 20, 10}, 1, false, 0}, {{2, 3, 5, 6}, 0, true, 1}});
  write_bytes(voc.directory / "names", "dog\n");
  REQUIRE(what(open_voc("v", {voc.directory.path(), {}, voc.directory / "names"})) ==
          "has an object 'cat', which is not in " + (voc.directory / "names").string());
  write_bytes(voc.directory / "list", "1  1\n\n");
  REQUIRE(
      value_or_throw(open_voc("v", {voc.directory.path(), voc.directory / "list", {}}))->size() ==
      1);
  write_bytes(voc.directory / "list", "1\n1\n");
  REQUIRE(what(open_voc("v", {voc.directory.path(), voc.directory / "list", {}})) ==
          "'1' is there twice");
}

TEST_CASE("VOC annotations that are damaged or hostile are refused", "[datasets][voc][error]") {
  const Voc voc;
  const auto of = [&](const std::string& xml) { return what(voc.open(xml)); };
  // Ten entities of ten each: 10^9 letters if they were expanded.
  std::string bomb = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY e0 \"aaaaaaaaaa\">";
  for (int i = 1; i < 10; ++i) {
    bomb += "<!ENTITY e" + std::to_string(i) + " \"";
    for (int j = 0; j < 10; ++j) bomb += "&e" + std::to_string(i - 1) + ";";
    bomb += "\">";
  }
  REQUIRE(of(bomb + "]><annotation><filename>&e9;</filename></annotation>") ==
          "declares entities of its own");
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "<a>";
  REQUIRE(has(of(deep), "is no XML"));
  REQUIRE(has(of(""), "is no XML"));
  REQUIRE(has(of("<annotation><filename>"), "is no XML"));
  REQUIRE(of("<a/>") == "has no <annotation>");
  REQUIRE(of("<annotation/>") == "has no <filename>");
  REQUIRE(of(voc_xml(voc_object("dog", voc_box(1, 1, 22, 10)))) ==
          "box [0, 0] to [22, 10] reaches more than a pixel out of its image of 20 x 10");
  REQUIRE(has(of(voc_xml(voc_object("dog", voc_box(9, 1, 5, 10)))), "negative width"));
  REQUIRE(of(voc_xml(voc_object("", voc_box(1, 1, 2, 2)))) == "has no <name>");
  REQUIRE(of(voc_xml(voc_object("dog", "<xmin>a</xmin>"))) == "<xmin> is 'a', expected a number");
  REQUIRE(of(voc_xml(voc_object("dog", voc_box(1, 1, 2, 2), "2"))) ==
          "<difficult> is neither 0 nor 1");
  std::filesystem::remove(voc.directory / "Annotations/1.xml");
  REQUIRE(has(what(open_voc("v", {voc.directory.path(), {}, {}})), "names no annotations"));
}

// --- HDF5 ---

namespace {

EnrichedData enriched(bool uniform, int depth) {
  EnrichedData data;
  data.name = "made";
  data.files = {"a.png", "b.png"};
  for (int i = 0; i < 3; ++i) {
    Sample sample;
    sample.file_number = static_cast<std::uint32_t>(i % 2);
    sample.id = 100 + static_cast<std::uint64_t>(i);
    sample.height = 50;
    sample.width = 60;
    sample.content_hash = 0xFFFFFFFFFFFFFFF0U + static_cast<std::uint64_t>(i);
    if (i != 1) sample.label = i;
    sample.transforms = i == 0 ? "" : "resize 2x3 area";
    sample.image = cv::Mat(uniform ? 2 : 2 + i, 3, CV_MAKETYPE(depth, uniform || i == 0 ? 3 : 1));
    cv::RNG(static_cast<std::uint64_t>(i) + 1).fill(sample.image, cv::RNG::UNIFORM, 0, 256);
    sample.objects.assign(static_cast<std::size_t>(i), {{0.5, 1, 2, 2}, 4, i == 2, 8});
    data.samples.push_back(sample);
  }
  data.categories = {{2, "x"}, {4, "y"}};
  data.parameters = {{"severity", "1", "strength", {1, 2, 3}}};
  if (uniform) data.perturbations = {"clean", "fog/3", "rotate/1+fog/3[amount=2;mix=1]"};
  return data;
}

}  // namespace

TEST_CASE("what is written as HDF5 is read again", "[datasets][hdf5]") {
  const bool uniform = GENERATE(true, false);
  const int depth = GENERATE(CV_8U, CV_16U);
  const TempDirectory directory;
  const EnrichedData data = enriched(uniform, depth);
  write_hdf5(directory / "a.h5", data);
  write_hdf5(directory / "b.h5", data);
  const bool same_bytes = read_bytes(directory / "a.h5") == read_bytes(directory / "b.h5");
  REQUIRE(same_bytes);
  const auto set =
      value_or_throw(open_hdf5("mine", directory / "a.h5", std::nullopt, std::nullopt));
  REQUIRE(value_or_throw(read_hdf5(directory / "a.h5")).perturbations == data.perturbations);
  REQUIRE(set->size() == 3);
  REQUIRE(set->files() == data.files);
  REQUIRE(set->categories() == data.categories);
  REQUIRE(set->fixed_size().has_value() == uniform);
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Sample got = *set->get(i), &wanted = data.samples[i];
    REQUIRE(got.dataset == "mine");
    REQUIRE(got.index == i);
    REQUIRE(got.id == wanted.id);
    REQUIRE(got.file_number == wanted.file_number);
    REQUIRE(got.height == 50);
    REQUIRE(got.content_hash == wanted.content_hash);
    REQUIRE(got.label == wanted.label);
    REQUIRE(got.transforms == wanted.transforms);
    REQUIRE(got.objects == wanted.objects);
    REQUIRE(got.image.type() == wanted.image.type());
    REQUIRE(cv::norm(got.image, wanted.image, cv::NORM_INF) == 0);
  }
  const h5::File file = value_or_throw(h5::File::open(directory / "a.h5", Errc::data));
  REQUIRE(file.has("images") == uniform);
  REQUIRE(file.read_column<double>("parameters/severity") == std::vector<double>{1, 2, 3});
}

TEST_CASE("samples of one perturbation are read from a file of several", "[datasets][hdf5]") {
  const TempDirectory directory;
  EnrichedData data = enriched(true, CV_8U);
  data.perturbations = {"fog/3", "clean", "fog/3"};
  write_hdf5(directory / "a.h5", data);
  const auto of = [&](const char* file, const std::string& perturbation) {
    return open_hdf5("x", directory / file, std::nullopt, std::nullopt, perturbation);
  };
  const auto fog = value_or_throw(of("a.h5", "fog/3"));
  REQUIRE(fog->size() == 2);
  REQUIRE(fog->perturbed());
  REQUIRE(fog->get(1)->id == 102);
  REQUIRE(fog->get(1)->index == 2);
  REQUIRE(fog->entry(1).index == 2);
  REQUIRE(fog->entry(1).id == 102);
  REQUIRE(cv::norm(fog->get(1)->image, data.samples[2].image, cv::NORM_INF) == 0);
  REQUIRE(fog->files() == data.files);
  REQUIRE(value_or_throw(subset(fog, 1, Order::first, 0))->perturbed());
  REQUIRE(what(of("a.h5", "fog/2")) == "has no samples of the perturbation 'fog/2'");
  REQUIRE(of("a.h5", "fog/2").error().hint == "it has: fog/3, clean");

  data.perturbations.clear();
  write_hdf5(directory / "b.h5", data);
  REQUIRE(what(of("b.h5", "fog/3")) == "has no samples of the perturbation 'fog/3'");
  REQUIRE_FALSE(
      value_or_throw(open_hdf5("x", directory / "b.h5", std::nullopt, std::nullopt))->perturbed());
}

TEST_CASE("an HDF5 data set that is damaged or foreign is refused", "[datasets][hdf5][error]") {
  const TempDirectory directory;
  write_hdf5(directory / "a.h5", enriched(true, CV_8U));
  const std::string bytes = read_bytes(directory / "a.h5");
  const auto of = [&](const std::string& content) {
    write_bytes(directory / "b.h5", content);
    return what(open_hdf5("x", directory / "b.h5", std::nullopt, std::nullopt));
  };
  for (std::size_t size = 0; size < bytes.size(); size += 997) {
    REQUIRE_FALSE(of(bytes.substr(0, size)).empty());
  }
  std::string damaged = bytes;
  damaged[bytes.size() / 2] = static_cast<char>(damaged[bytes.size() / 2] ^ 1);
  REQUIRE_FALSE(of(damaged).empty());
  REQUIRE_THROWS_AS(write_hdf5(directory / "c.h5", {}), Exception);
  EnrichedData short_parameter = enriched(true, CV_8U);
  short_parameter.parameters[0].values.pop_back();
  REQUIRE_THROWS_AS(write_hdf5(directory / "c.h5", short_parameter), Exception);
  EnrichedData short_perturbations = enriched(true, CV_8U);
  short_perturbations.perturbations.pop_back();
  REQUIRE_THROWS_AS(write_hdf5(directory / "c.h5", short_perturbations), Exception);
  REQUIRE_FALSE(std::filesystem::exists(directory / "c.h5"));
}

TEST_CASE("an HDF5 data set whose columns contradict each other is refused",
          "[datasets][hdf5][error]") {
  const TempDirectory directory;
  // Value 0 of a column, changed by another program, which sealed the file again.
  const auto of = [&](const char* column, std::int64_t value) {
    const std::string path = (directory / "a.h5").string();
    write_hdf5(path, enriched(true, CV_8U));
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 72);
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t data = H5Dopen2(file, column, H5P_DEFAULT);
    const hid_t space = H5Dget_space(data);
    std::vector<std::int64_t> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
    REQUIRE(H5Dread(data, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    values.front() = value;
    REQUIRE(H5Dwrite(data, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    H5Sclose(space);
    H5Dclose(data);
    H5Fclose(file);
    seal_file(path);
    return what(open_hdf5("x", path, std::nullopt, std::nullopt));
  };
  REQUIRE(of("boxes/sample", 3) == "box 0 belongs to no sample");
  REQUIRE(of("boxes/crowd", 2) == "box 0 belongs to no sample");
  REQUIRE(of("samples/file", 2) == "sample 0 has no such file or label");
  REQUIRE(of("labels", -2) == "sample 0 has no such file or label");
  REQUIRE(of("categories/number", 5) == "categories are not in order");
  REQUIRE(has(of("samples/image_height", 500), "sample 0 claims 500 x"));
  REQUIRE(has(of("samples/channels", 2), "sample 0 claims"));
}

TEST_CASE("HDF5 of other programs is read by the names given", "[datasets][hdf5]") {
  const TempDirectory directory;
  const std::vector<std::uint8_t> pixels{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  {
    h5::File file = h5::File::create(directory / "a.h5", Errc::data);
    file.write_array<std::uint8_t>("g/last", {2, 1, 2, 3}, pixels, {});
    file.write_array<std::uint8_t>("first", {2, 3, 1, 2}, pixels, {});
    file.write_array<std::uint8_t>("grey", {2, 2, 3}, pixels, {});
    file.write_array<float>("floats", {1, 1, 1, 1}, std::vector<float>{1}, {});
    file.write_column<std::int32_t>("y", std::vector<std::int32_t>{4, 5}, {});
    file.write_column<std::int32_t>("bad", std::vector<std::int32_t>{4, -5}, {});
    file.close();
  }
  const auto open = [&](const char* images, std::optional<std::string> labels, Layout layout) {
    return open_hdf5("h", directory / "a.h5", Hdf5Names{images, std::move(labels), layout}, {});
  };
  const auto last = value_or_throw(open("g/last", "y", Layout::nhwc));
  const bool interleaved = last->get(1)->image.at<cv::Vec3b>(0, 1) == cv::Vec3b(9, 10, 11);
  REQUIRE(interleaved);
  REQUIRE(last->get(1)->label == 5);
  const auto first = value_or_throw(open("first", std::nullopt, Layout::nchw));
  const bool planar = first->get(1)->image.at<cv::Vec3b>(0, 1) == cv::Vec3b(7, 9, 11);
  REQUIRE(planar);
  REQUIRE(value_or_throw(open("grey", std::nullopt, Layout::nhwc))->get(0)->image.channels() == 1);
  REQUIRE(has(what(open("first", std::nullopt, Layout::nhwc)), "has shape [2, 3, 1, 2], expected"));
  REQUIRE(has(what(open("none", std::nullopt, Layout::nhwc)), "has no column 'none'"));
  REQUIRE(has(what(open("floats", std::nullopt, Layout::nhwc)), "does not hold uint8"));
  REQUIRE(has(what(open("g/last", "bad", Layout::nhwc)), "holds the label -5"));
}
