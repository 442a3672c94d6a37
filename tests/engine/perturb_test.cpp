#include "suite/engine/perturb.hpp"

#include "augment/pipeline.hpp"
#include "datasets/geometry.hpp"
#include "datasets/preprocess.hpp"
#include "suite/base/h5.hpp"
#include "suite/engine/prepare.hpp"
#include "suite/engine/unit.hpp"
#include "tests/support/toy_campaign.hpp"

#include <catch2/catch.hpp>
#include <opencv2/core.hpp>

using namespace bitquake;
using namespace bitquake::test;

namespace {

/// Twelve of the toy campaign's samples, in random order, enlarged to 8 x 8 pixels.
struct Perturbed {
  ToyCampaign campaign{30};

  Perturbed() {
    auto& scenario = campaign.scenario;
    scenario.model.input = {1, 8, 8};
    scenario.data.samples = 12;
    scenario.data.order = datasets::Order::random;
    scenario.preprocess.mean = {0.25};
    scenario.shaping.resize = datasets::Resize::exact;
    scenario.shaping.resize_to = {8, 8};
    scenario.perturbations.clear();
    for (const char* label : {"clean", "gaussian_noise/3", "rotate/2+fog/1", "dead_pixels/5"}) {
      scenario.perturbations.push_back(value_or_throw(augment::parse_pipeline(label)));
    }
  }
};

std::vector<float> input_of(const scenario::Scenario& scenario, const datasets::Sample& sample) {
  std::vector<float> input(64);
  value_or_throw(
      datasets::to_input(sample, scenario.preprocess, scenario.model.input, std::span(input)));
  return input;
}

}  // namespace

TEST_CASE("an enriched file gives the inputs that perturbing on the fly gives",
          "[engine][perturb]") {
  Perturbed perturbed;
  const scenario::Scenario& scenario = perturbed.campaign.scenario;
  const auto data = value_or_throw(engine::open_data(scenario));
  const auto file = perturbed.campaign / "enriched.h5";
  const auto enriched = engine::enrich(scenario, *data, 3);
  REQUIRE(enriched.notices.empty());
  datasets::write_hdf5(file, enriched.value);

  scenario::Scenario stored = scenario;
  stored.data = {};
  stored.data.format = scenario::DataFormat::hdf5;
  stored.data.images = file.string();
  stored.perturbations = std::vector<augment::Pipeline>(1);
  stored.shaping = {};
  const auto read = value_or_throw(engine::open_data(stored));
  REQUIRE(read->size() == 4 * 12);

  for (std::uint32_t p = 0; p < 4; ++p) {
    for (std::uint64_t s = 0; s < 12; ++s) {
      CAPTURE(p, s);
      const auto source = value_or_throw(
          datasets::prepare_image(value_or_throw(data->get(s)), scenario.geometry()));
      const auto got = value_or_throw(read->get(p * 12 + s));
      const std::vector<float> input = input_of(stored, got);
      REQUIRE(input == input_of(scenario, engine::perturbed(scenario, source, p)));
      REQUIRE(input == engine::network_input(scenario, {&source, 1}, {&p, 1}));  // of campaigns
      // The same again from augment alone: the number of the sample in its data set counts, not
      // its place in the subset.
      datasets::Sample plain = source;
      plain.image = value_or_throw(augment::apply(scenario.perturbations[p], {source.image, {}},
                                                  scenario.seed, source.index))
                        .image;
      REQUIRE(input == input_of(scenario, plain));
      REQUIRE(got.id == source.index);
      REQUIRE(got.label == source.label);
      REQUIRE(got.content_hash == source.content_hash);
    }
  }
  // One of the perturbations alone.
  stored.data.perturbation = "rotate/2+fog/1";
  const auto one = value_or_throw(engine::open_data(stored));
  REQUIRE(one->size() == 12);
  for (std::uint64_t s = 0; s < 12; ++s) {
    REQUIRE(input_of(stored, *one->get(s)) == input_of(stored, *read->get(24 + s)));
    REQUIRE(one->entry(s).index == 24 + s);
  }
  // Preparing would come after perturbing.
  stored.shaping.colour = datasets::Colour::grey;
  const auto refused = engine::open_data(stored);
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().code == Errc::data);
  REQUIRE_THAT(refused.error().what, Catch::Matchers::StartsWith("holds images that are prepared"));
  // The perturbations do something.
  const auto clean = input_of(stored, *read->get(0));
  for (std::uint64_t p = 1; p < 4; ++p) REQUIRE(clean != input_of(stored, *read->get(12 * p)));
}

TEST_CASE("an enriched file says what each image was made of", "[engine][perturb]") {
  Perturbed perturbed;
  const scenario::Scenario& scenario = perturbed.campaign.scenario;
  const auto data = value_or_throw(engine::open_data(scenario));
  const auto first = perturbed.campaign / "first.h5", second = perturbed.campaign / "second.h5";
  datasets::write_hdf5(first, engine::enrich(scenario, *data, 1).value);
  datasets::write_hdf5(second, engine::enrich(scenario, *data, 7).value);
  const bool same = read_bytes(first) == read_bytes(second);
  REQUIRE(same);

  const auto read = value_or_throw(datasets::read_hdf5(first));
  REQUIRE(read.perturbations.size() == 48);
  REQUIRE(read.perturbations[11] == "clean");
  REQUIRE(read.perturbations[12] == "gaussian_noise/3");
  REQUIRE(read.perturbations[47] == "dead_pixels/5");
  REQUIRE(read.samples[11].transforms == "resize 8x8 bilinear");
  REQUIRE(read.samples[24].transforms == "resize 8x8 bilinear; perturb rotate/2+fog/1");
  REQUIRE(read.files == std::vector<std::string>{"images"});
  const h5::File file = value_or_throw(h5::File::open(first, Errc::data));
  REQUIRE(file.read_strings("samples/perturbation") == read.perturbations);
  const auto rows = file.read_column<double>("parameters/perturbation");
  const auto places = file.read_column<double>("parameters/source_index");
  REQUIRE(rows[23] == 1);
  REQUIRE(rows[24] == 2);
  for (std::uint64_t s = 0; s < 12; ++s) {
    REQUIRE(places[36 + s] == static_cast<double>(data->entry(s).index));
  }
}

TEST_CASE("boxes move with what is in them", "[engine][perturb]") {
  scenario::Scenario scenario;
  scenario.perturbations = {value_or_throw(augment::parse_pipeline("flip_horizontal/1"))};
  datasets::Sample sample;
  sample.image = cv::Mat(10, 20, CV_8UC3, cv::Scalar(1, 2, 3));
  sample.objects = {{{2, 1, 5, 4}, 7, false, 3}};
  const auto result = engine::perturbed(scenario, sample, 0);
  REQUIRE(result.objects == std::vector<Object>{{{15, 1, 18, 4}, 7, false, 3}});
  REQUIRE(sample.objects[0].box == Box{2, 1, 5, 4});
}

TEST_CASE("an image that a perturbation does not take is named", "[engine][perturb][error]") {
  Perturbed perturbed;
  auto& scenario = perturbed.campaign.scenario;
  scenario.perturbations = {{}, value_or_throw(augment::parse_pipeline("saturate/1"))};
  const auto data = value_or_throw(engine::open_data(scenario));
  REQUIRE_THROWS_WITH(engine::enrich(scenario, *data, 2),
                      Catch::Matchers::Contains("cannot be perturbed by saturate/1: ") &&
                          Catch::Matchers::Contains(std::to_string(data->entry(0).index)));
}

TEST_CASE("rows of a sheet are the first samples, those that cannot be read left out",
          "[engine][perturb]") {
  ToyCampaign campaign(1);
  auto& data = campaign.scenario.data;
  data.format = scenario::DataFormat::image_folder;
  data.images = "set";
  data.labels.reset();
  for (const char* name : {"cat/1.pgm", "dog/1.pgm", "dog/2.pgm", "dog/3.pgm"}) {
    std::filesystem::create_directories((campaign / ("set/" + std::string(name))).parent_path());
    write_bytes(campaign / ("set/" + std::string(name)), "P5\n2 2\n255\nabcd");
  }
  write_bytes(campaign / "set/dog/1.pgm", "P5\n2 2\n255\na");
  data.on_bad_sample = scenario::OnBadSample::skip;
  const auto opened = value_or_throw(engine::open_data(campaign.scenario));
  const auto rows = engine::sheet_rows(campaign.scenario, *opened, 2);
  REQUIRE(rows.value.size() == 2);
  REQUIRE(rows.value[0].label == "sample 0, cat");
  REQUIRE(rows.value[1].label == "sample 2, dog");
  REQUIRE(rows.value[1].sample == 2);
  REQUIRE(rows.notices.size() == 1);
  REQUIRE_THAT(rows.notices[0], Catch::Matchers::StartsWith("sample 1 is skipped: "));
  REQUIRE(engine::enrich(campaign.scenario, *opened, 2).value.samples.size() == 3);
  for (const char* name : {"cat/1.pgm", "dog/2.pgm", "dog/3.pgm"}) {
    write_bytes(campaign / ("set/" + std::string(name)), "P5\n2 2\n255\na");
  }
  REQUIRE_THROWS_WITH(engine::sheet_rows(campaign.scenario, *opened, 2),
                      Catch::Matchers::Contains("none of the images can be read"));
  data.on_bad_sample = scenario::OnBadSample::error;
  REQUIRE_THROWS_AS(engine::sheet_rows(campaign.scenario, *opened, 2), Exception);
}
