#include "tests/cli/workspace.hpp"
#include "tests/datasets/image_bytes.hpp"

#include <catch2/catch.hpp>
#include <zlib.h>

using namespace bitquake::test;

namespace {

std::string little_endian(std::uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

/// A zip archive of stored entries. Source: PKWARE, APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.16.
std::string zip(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string files, directory;
  for (const auto& [name, content] : entries) {
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    // version 2.0, no flags, stored, no time, checksum, both sizes, length of name, no extra field
    const std::string common = little_endian(20, 2) + std::string(8, '\0') + little_endian(crc, 4) +
                               little_endian(content.size(), 4) + little_endian(content.size(), 4) +
                               little_endian(name.size(), 2) + little_endian(0, 2);
    directory += "PK\x01\x02" + little_endian(20, 2) + common + std::string(10, '\0') +
                 little_endian(files.size(), 4) + name;
    files += "PK\x03\x04" + common + name + content;
  }
  return files + directory + "PK\x05\x06" + std::string(4, '\0') +
         little_endian(entries.size(), 2) + little_endian(entries.size(), 2) +
         little_endian(directory.size(), 4) + little_endian(files.size(), 4) + std::string(2, '\0');
}

}  // namespace

TEST_CASE("a data set that is missing, damaged or does not fit exits with 4", "[cli]") {
  const Workspace workspace;
  const std::string images = workspace.read("images");
  workspace.write("cut", images.substr(0, images.size() - 10));
  workspace.write("large", idx_file({100, 32, 32}, std::string(100 * 32 * 32, '\1')));
  workspace.write("few", idx_file({99}, std::string(99, '\1')));
  std::string labels(100, '\1');
  labels[70] = 10;
  workspace.write("eleven", idx_file({100}, labels));
  struct Case {
    const char* set;
    const char* err;
  };
  const std::vector<Case> cases{
      Case{"data.images=none", "none: error: cannot be opened: No such file or directory\n"},
      Case{"data.images=cut", "cut: error: header says 78400 bytes of data, got 78390\n"},
      Case{"data.images=labels",
           "labels: error: expected an idx file of images, which begins with "
           "00 00 08 03; got 00 00 08 01\n"},
      Case{"data.images=large",
           "large, sample 0: error: image is 1x32x32 (channels x height x "
           "width), the model takes 1x28x28\n"},
      Case{"data.labels=few", "few: error: has 99 labels, expected one for each of 100 images"},
      Case{"data.labels=eleven",
           "images: error: sample 70 has label 10, but the model has 10 classes\n"},
      Case{"data.samples=101",
           "data.samples: error: a subset of 101 samples was asked for, the data set has 100\n"}};
  std::vector<std::string> lines;
  for (const Case& item : cases) {
    lines.push_back(std::string("check scenario.yaml --set ") + item.set);
    lines.push_back(std::string("run scenario.yaml -q --set ") + item.set + " -o " +
                    std::to_string(lines.size()));
  }
  const std::vector<Finished> results = workspace.bitquake_each(lines);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Finished& got = results[i];
    CAPTURE(lines[i], got.err);
    REQUIRE_THAT(got.err, Catch::Matchers::StartsWith(cases[i / 2].err));
    REQUIRE(holds(got.err, "\nhint: "));
    REQUIRE(got.out.empty());
    REQUIRE(got.exit_code == 4);
  }
}

TEST_CASE("image files and annotations that are wrong exit with 4 and name the place", "[cli]") {
  const Workspace workspace;
  const std::string picture = encoded(".png", cv::Mat(28, 28, CV_8UC1, cv::Scalar(9)));
  std::filesystem::create_directory(workspace / "pics");
  // libpng would print about the colour profile.
  workspace.write("pics/good.png",
                  picture.substr(0, 33) + png_chunk("iCCP", "x") + picture.substr(33));
  workspace.write("pics/cut.png", picture.substr(0, picture.size() - 20));
  workspace.write("pics/text.png", "no picture");
  workspace.write("pics/empty.png", "");
  workspace.write("pics/bomb.png", png_claiming(60'000, 60'000));
  workspace.write("pics/small.png", encoded(".png", cv::Mat(4, 4, CV_8UC1, cv::Scalar(9))));
  const auto annotations = [](const std::string& file, const std::string& annotation) {
    return R"({"categories": [{"id": 7, "name": "dog"}], "images": [{"id": 5, "file_name": ")" +
           file + R"(", "height": 28, "width": 28}], "annotations": [)" + annotation + "]}";
  };
  const auto box = [](const char* image, const char* category, const char* edges) {
    return std::string(R"({"id": 1, "image_id": )") + image + R"(, "category_id": )" + category +
           R"(, "bbox": )" + edges + "}";
  };
  const std::string good = box("5", "7", "[1, 2, 3, 4]");
  struct Case {
    std::string text, where, what;
  };
  const std::vector<Case> cases{
      {annotations("good.png", good), "", ""},
      {annotations("good.png", box("9", "7", "[1, 2, 3, 4]")), ".json, annotations[0]",
       "belongs to image 9, which is not in \"images\""},
      {annotations("good.png", box("5", "8", "[1, 2, 3, 4]")), ".json, annotations[0]",
       "has category 8, which is not in \"categories\""},
      {annotations("good.png", box("5", "7", "[20, 20, 20, 4]")), ".json, annotations[0]",
       "box [20, 20] to [40, 24] reaches more than a pixel out of its image of 28 x 28"},
      {annotations("good.png", R"({"image_id": 5, "category_id": 7, "bbox": [1, 2, 3, 4]})"),
       ".json, annotations[0]", "has no \"id\""},
      {annotations("good.png", good + ", " + good), ".json, annotations[1]",
       "has the id 1 of an earlier annotation"},
      {"", ".json", "is no JSON: "},
      {annotations("good.png", good).substr(0, 100), ".json", "is no JSON: "},
      {"[]", ".json", "is no JSON object with images and annotations"},
      {annotations("none.png", good), "none.png", "cannot be "},
      {annotations("cut.png", good), "cut.png", "is truncated"},
      {annotations("text.png", good), "text.png", "is no image: "},
      {annotations("empty.png", good), "empty.png", "is empty"},
      {annotations("bomb.png", good), "bomb.png", "has 60000 x 60000 pixels, more than 100000000"},
      {annotations("small.png", good), "small.png",
       "is 4 x 4 pixels, its annotation says 28 x 28"}};
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string number = std::to_string(i);
    workspace.write(number + ".json", cases[i].text);
    workspace.write(number + ".yaml",
                    "version: 1\n"
                    "model: {file: model.pt, input: [1, 28, 28], output: logits}\n"
                    "data: {format: coco, name: c, images: pics, annotations: " +
                        number + ".json}\n");
    lines.push_back("check " + number + ".yaml");
  }
  const std::vector<Finished> results = workspace.bitquake_each(lines);
  for (std::size_t i = 0; i < results.size(); ++i) {
    CAPTURE(i, results[i].err);
    REQUIRE(results[i].exit_code == (cases[i].what.empty() ? 0 : 4));
    REQUIRE(!holds(results[i].err, "libpng"));
    if (cases[i].what.empty()) continue;
    REQUIRE(holds(results[i].err, cases[i].where + ": error: " + cases[i].what));
    REQUIRE(holds(results[i].err, "\nhint: "));
    REQUIRE(results[i].out.empty());
  }
}

TEST_CASE("a model file that is missing or no TorchScript exits with 4, without a stack trace",
          "[cli]") {
  const Workspace workspace;
  const std::string model = workspace.read("model.pt");
  workspace.write("cut.pt", model.substr(0, model.size() / 2));
  workspace.write("text.pt", "not a model\n");
  workspace.write("empty.pt", "");
  workspace.write("other.pt", zip({{"readme.txt", "some other archive"}}));
  // What torch.save({}) writes: a pickled empty dictionary.
  workspace.write("weights.pt",
                  zip({{"archive/data.pkl", "\x80\x02}q."}, {"archive/version", "3"}}));
  struct Case {
    const char* file;
    const char* what;
  };
  const std::vector<Case> cases{
      Case{"none.pt", "no such model file"},
      Case{".", "no such model file"},
      Case{"cut.pt", "is not a TorchScript file"},
      Case{"text.pt", "is not a TorchScript file"},
      Case{"empty.pt", "is not a TorchScript file"},
      Case{"other.pt", "is not a TorchScript file"},
      Case{"weights.pt", "is a PyTorch file, but holds no TorchScript module"}};
  std::vector<std::string> lines;
  for (const Case& item : cases) {
    lines.push_back(std::string("model info --input 1x28x28 ") + item.file);
  }
  const std::vector<Finished> results = workspace.bitquake_each(lines);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Finished& got = results[i];
    CAPTURE(lines[i]);
    REQUIRE_THAT(got.err, Catch::Matchers::StartsWith(std::string(cases[i].file) +
                                                      ": error: " + cases[i].what + "\n"));
    REQUIRE(holds(got.err, "\nhint: "));
    REQUIRE(!holds(got.err, "frame #"));
    REQUIRE(got.out.empty());
    REQUIRE(got.exit_code == 4);
  }
}

TEST_CASE("a campaign with an unusable model exits with 4 and leaves no directory", "[cli]") {
  const Workspace workspace;
  workspace.write("text.pt", "not a model\n");
  const Finished got = workspace.run("out", {"--set", "model.file=text.pt"});
  REQUIRE(got.exit_code == 4);
  REQUIRE(holds(got.err, "text.pt: error: is not a TorchScript file\n"));
  REQUIRE(got.out.empty());
  REQUIRE(!workspace.has("out"));
}

TEST_CASE("a model that does not take the input shape is refused with the reason", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.run("out", {"--set", "model.input=[3, 28, 28]"});
  REQUIRE(got.exit_code == 4);
  REQUIRE(holds(got.err, "model.pt: error: does not run on an input of shape 1x3x28x28"));
  REQUIRE(holds(got.err, "but got 3 channels"));
  REQUIRE(!holds(got.err, "frame #"));
  REQUIRE(got.out.empty());
}
