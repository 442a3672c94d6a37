#include "suite/bench/networks.hpp"

#include "suite/base/temp_directory.hpp"
#include "suite/bench/images.hpp"
#include "suite/model/load.hpp"

#include <catch2/catch.hpp>

#include <numeric>

using namespace bitquake;

namespace {

const std::filesystem::path kLenet5 = BITQUAKE_SOURCE_DIR "/suite/models/lenet5_fashion_mnist.pt";

/// Grey images of 4x4 pixels: image i is i, but for its first pixel, 200.
class FewImages : public datasets::Dataset {
 public:
  std::uint64_t size() const override { return 3; }
  Result<datasets::Sample> get(std::uint64_t i) const override {
    cv::Mat image(4, 4, CV_8UC1, cv::Scalar(static_cast<double>(i)));
    image.at<std::uint8_t>(0, 0) = 200;
    return datasets::Sample{.dataset = "few",
                            .file = "file",
                            .index = i,
                            .height = 4,
                            .width = 4,
                            .label = 7,
                            .objects = {},
                            .transforms = {},
                            .image = image};
  }
  std::optional<cv::Size> fixed_size() const override { return cv::Size(4, 4); }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return checksums_;
  }

 private:
  std::vector<std::pair<std::string, std::string>> checksums_{{"file", "5eed"}};
};

std::shared_ptr<const datasets::Dataset> fashion(std::uint64_t count, const bench::Network& net) {
  const auto whole = datasets::open_idx(
      "fashion", "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz", std::nullopt);
  if (!whole) return nullptr;
  return value_or_throw(bench::resize(**whole, count, net.input));
}

}  // namespace

TEST_CASE("images are resized, repeated into three channels, and keep what they are",
          "[bench][images]") {
  const std::array<std::int64_t, 3> shape{3, 8, 12};
  const auto images = value_or_throw(bench::resize(FewImages(), 2, shape));
  REQUIRE(images->size() == 2);
  REQUIRE(images->fixed_size() == cv::Size(12, 8));
  const auto sample = value_or_throw(images->get(1));
  REQUIRE(sample.height == 8);
  REQUIRE(sample.width == 12);
  REQUIRE(sample.label == 7);
  REQUIRE(sample.index == 1);
  REQUIRE(sample.image.type() == CV_8UC3);
  REQUIRE(sample.image.at<cv::Vec3b>(0, 0) == cv::Vec3b(200, 200, 200));
  REQUIRE(sample.image.at<cv::Vec3b>(7, 11) == cv::Vec3b(1, 1, 1));
  REQUIRE(images->checksums() == FewImages().checksums());
  REQUIRE(bench::resize(FewImages(), 4, shape).error().code == Errc::data);
}

TEST_CASE("a class for over half of the images is refused, for half of them not",
          "[bench][networks]") {
  REQUIRE(bench::check_diverse({3, 1, 3, 2}, "net"));
  REQUIRE(bench::check_diverse({5, 6}, "net"));
  const auto refused = bench::check_diverse({3, 1, 3, 3}, "net");
  REQUIRE(!refused);
  REQUIRE(refused.error().code == Errc::model);
  REQUIRE(refused.error().what == "class 3 is top-1 for 3 of 4 images");
}

TEST_CASE("networks have the published numbers of weights and neurons", "[bench][networks][slow]") {
  const auto& net = *bench::find_network("resnet20");
  const auto images = fashion(64, net);
  if (!images) {
    WARN("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const TempDirectory directory;
  const auto file = directory / "resnet20.pt";
  REQUIRE(bench::make_network(net, *images, kLenet5, file));
  const auto model =
      value_or_throw(model::load({.file = file, .input_shape = {3, 32, 32}, .padded_batch = 2}));
  // He et al.: 0.27 million parameters. Weights by hand: 432 + 6*2304 + 4608 + 5*9216 + 18432 +
  // 5*36864 + 640, and the 1x1 shortcuts, 512 + 2048.
  std::uint64_t weights = 0;
  std::size_t layers = 0;
  for (const auto& site : model->sites()) {
    if (!faultgen::is_default_kind(site.kind, faultgen::Target::weight)) continue;
    weights += faultgen::element_count(site.weight_shape);
    ++layers;
  }
  REQUIRE(weights == 268'336 + 2'560);
  REQUIRE(layers == 22);
  REQUIRE(model->classes() == 10);
  REQUIRE(model->notices().empty());  // saved in eval mode
}

TEST_CASE("a network that says the same of all images is refused", "[bench][networks]") {
  const auto& net = *bench::find_network("lenet5");
  const auto images = fashion(1, net);
  if (!images) {
    WARN("skipped: the package dataset-fashion-mnist is not installed");
    return;
  }
  const TempDirectory directory;
  const auto refused = bench::make_network(net, *images, kLenet5, directory / "lenet5.pt");
  REQUIRE(!refused);
  REQUIRE(refused.error().what == "class 9 is top-1 for 1 of 1 images");
  REQUIRE(!std::filesystem::exists(directory / "lenet5.pt"));
  const auto missing = bench::make_network(net, *images, directory / "none.pt", directory / "x.pt");
  REQUIRE(missing.error().what == "no such model file");
}

TEST_CASE("a network is found by its name", "[bench][networks]") {
  REQUIRE(bench::find_network("vgg16")->input == std::array<std::int64_t, 3>{3, 224, 224});
  REQUIRE(bench::find_network("vgg") == nullptr);
}
