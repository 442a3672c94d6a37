#include "faultgen/alfi_matrix.hpp"

#include "tests/faultgen/npy_file.hpp"

#include <catch2/catch.hpp>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

/// Two calls of a convolution, a 3-D one, a linear layer on vectors, one on sequences, and a batch
/// norm that PyTorchALFI does not count.
std::vector<Site> sites() {
  return {{"conv", 0, SiteKind::conv2d, {3, 2, 2, 2}, {3, 4, 5}},
          {"bn", 0, SiteKind::batch_norm, {3}, {3, 4, 5}},
          {"conv", 1, SiteKind::conv2d, {3, 2, 2, 2}, {3, 4, 5}},
          {"deep", 0, SiteKind::conv3d, {2, 3, 2, 3, 2}, {2, 3, 4, 5}},
          {"fc", 0, SiteKind::linear, {6, 9}, {6}},
          {"tokens", 0, SiteKind::linear, {8, 4}, {7, 8}}};
}

const std::vector<SiteKind> kAll{SiteKind::conv2d, SiteKind::conv3d, SiteKind::linear};

struct Case {
  AlfiMode mode = AlfiMode::neurons;
  Policy policy = Policy::per_image;
  std::uint64_t batch_size = 1;  // of the schedule
  std::optional<std::uint64_t> samples{};
  std::uint32_t each = 1;
  std::optional<std::uint64_t> alfi_batch{};
  std::vector<SiteKind> layers = kAll;
};

/// @param columns  the faults, seven numbers each
Result<FaultSet> imported(const std::vector<std::vector<double>>& columns, const Case& c) {
  NumberMatrix matrix{7, columns.size(), std::vector<double>(7 * columns.size())};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    REQUIRE(columns[i].size() == 7);
    for (std::size_t r = 0; r < 7; ++r) matrix.values[r * columns.size() + i] = columns[i][r];
  }
  ListContext context{sites(), {}, c.samples};
  context.provenance.schedule = {c.policy, c.batch_size};
  return from_alfi(matrix, {c.mode, c.layers, c.each, c.alfi_batch}, context, "m.npy");
}

FaultSet set_of(const std::vector<std::vector<double>>& columns, const Case& c = {}) {
  const auto set = imported(columns, c);
  if (!set) FAIL(to_string(set.error()));
  REQUIRE(check_consistent(*set, ""));
  return *set;
}

std::string refusal(const std::vector<std::vector<double>>& columns, const Case& c = {}) {
  const auto set = imported(columns, c);
  if (set) return "";
  REQUIRE(set.error().code == Errc::fault_set);
  REQUIRE(set.error().where == "m.npy");
  return set.error().what;
}

/// Elements by group.
std::vector<std::vector<std::uint64_t>> groups_of(const FaultSet& set) {
  std::vector<std::vector<std::uint64_t>> groups;
  for (const FaultGroup& group : set.groups) {
    groups.emplace_back();
    for (const Fault& fault : set.faults_of(group)) groups.back().push_back(fault.element);
  }
  return groups;
}

using Groups = std::vector<std::vector<std::uint64_t>>;

constexpr Target kNeuron = Target::neuron, kWeight = Target::weight;
constexpr FaultModel kFlip = FaultModel::bit_flip;

/// A bit flip in element `w` of row 0 of the first convolution, for image `b` of its batch.
std::vector<double> at(double b, double w) { return {b, 0, 0, -1, 0, w, 1}; }

}  // namespace

TEST_CASE("rows of a neuron fault are layer, channel, depth, height, width, bit",
          "[faultgen][alfi]") {
  const FaultSet set = set_of({
      {0, 0, 2, -1, 3, 4, 0},   // conv: ((2 * 4) + 3) * 5 + 4 = 59, sign bit
      {0, 1, 0, -1, 0, 1, 1},   // conv#1, the exponent's highest bit
      {0, 2, 1, 2, 3, 4, 31},   // deep: ((1 * 3 + 2) * 4 + 3) * 5 + 4 = 119, lowest bit
      {0, 3, -1, -1, 0, 5, 8},  // fc: neuron 5, the exponent's lowest bit
      {0, 4, -1, -1, 6, 7, 9},  // tokens: 6 * 8 + 7 = 55, the mantissa's highest bit
  });
  REQUIRE(set.faults == std::vector<Fault>{{0, kNeuron, kFlip, 59, 1ULL << 31},
                                           {2, kNeuron, kFlip, 1, 1ULL << 30},
                                           {3, kNeuron, kFlip, 119, 1},
                                           {4, kNeuron, kFlip, 5, 1ULL << 23},
                                           {5, kNeuron, kFlip, 55, 1ULL << 22}});
  REQUIRE(set.groups.size() == 5);
  REQUIRE(set.sampling_weight == std::vector<double>(5, 1.0));
}

TEST_CASE("rows of a weight fault are layer, output, input, depth, height, width, bit",
          "[faultgen][alfi]") {
  const FaultSet set = set_of(
      {
          {0, 2, 1, -1, 1, 0, 0},    // conv: ((2 * 2 + 1) * 2 + 1) * 2 + 0 = 22
          {1, 1, 2, 1, 2, 1, 1},     // deep: (((1*3 + 2)*2 + 1)*3 + 2)*2 + 1 = 71
          {2, -1, -1, -1, 5, 8, 2},  // fc: 5 * 9 + 8 = 53
          {3, -1, -1, -1, 7, 3, 3},  // tokens: 7 * 4 + 3 = 31
      },
      {.mode = AlfiMode::weights, .policy = Policy::per_epoch});
  // The second call of the convolution is no layer of its own.
  REQUIRE(set.faults == std::vector<Fault>{{0, kWeight, kFlip, 22, 1ULL << 31},
                                           {3, kWeight, kFlip, 71, 1ULL << 30},
                                           {4, kWeight, kFlip, 53, 1ULL << 29},
                                           {5, kWeight, kFlip, 31, 1ULL << 28}});
  REQUIRE(set.groups.back() == FaultGroup{3, 0, 3, 1});
}

TEST_CASE("only the chosen layer types are counted", "[faultgen][alfi]") {
  Case fcc;
  fcc.layers = {SiteKind::linear};
  REQUIRE(set_of({{0, 0, -1, -1, 0, 2, 0}}, fcc).faults[0].site == 4);
  REQUIRE(refusal({{0, 2, -1, -1, 0, 2, 0}}, fcc) ==
          "column 0, row 1 (layer): 2 does not exist: the model has 2 fcc layers");
  REQUIRE(refusal({at(0, 0), {0, -1, 0, -1, 0, 0, 0}}) ==
          "column 1, row 1 (layer): -1 does not exist: the model has 5 conv2d, conv3d, fcc layers");
}

TEST_CASE("an index outside its tensor or where there is none is refused", "[faultgen][alfi]") {
  REQUIRE(refusal({{0, 0, 3, -1, 0, 0, 1}}) ==
          "column 0, row 2 (channel): 3 is outside the neurons of conv, which are 3x4x5");
  REQUIRE(refusal({{0, 0, 0, -1, 4, 0, 1}}) ==
          "column 0, row 4 (height): 4 is outside the neurons of conv, which are 3x4x5");
  REQUIRE(refusal({{0, 0, 0, -1, 0, -1, 1}}) ==
          "column 0, row 5 (width): -1 is outside the neurons of conv, which are 3x4x5");
  REQUIRE(refusal({{0, 0, 0, 0, 0, 0, 1}}) ==
          "column 0, row 3 (depth): 0, but conv is a conv2d layer, which does not use it");
  REQUIRE(refusal({{0, 3, 0, -1, 0, 0, 1}}) ==
          "column 0, row 2 (channel): 0, but fc is a fcc layer, which does not use it");
  REQUIRE(refusal({{0, 2, 0, -1, 0, 0, 1}}) ==
          "column 0, row 3 (depth): -1 is outside the neurons of deep, which are 2x3x4x5");
  const Case weights{.mode = AlfiMode::weights, .policy = Policy::per_epoch};
  REQUIRE(refusal({{0, 0, 2, -1, 0, 0, 1}}, weights) ==
          "column 0, row 2 (input channel): 2 is outside the weights of conv, which are 3x2x2x2");
  REQUIRE(refusal({{2, 1, -1, -1, 0, 0, 1}}, weights) ==
          "column 0, row 1 (output channel): 1, but fc is a fcc layer, which does not use it");
}

TEST_CASE("bits outside 0 to 31 and numbers that are no index are refused", "[faultgen][alfi]") {
  REQUIRE(refusal({{0, 0, 0, -1, 0, 0, 32}}) ==
          "column 0, row 6 (bit): 32 is no bit of fp32, 0 (sign) to 31");
  REQUIRE(refusal({{0, 0, 0, -1, 0, 0, -1}}) ==
          "column 0, row 6 (bit): -1 is no bit of fp32, 0 (sign) to 31");
  REQUIRE(refusal({{0, 0, 0, -1, 0, 0.5, 1}}) == "column 0, row 5 (width): 0.5 is no index");
  REQUIRE(refusal({{0, 0, 0, -2, 0, 0, 1}}) == "column 0, row 3 (depth): -2 is no index");
  REQUIRE(refusal({{0, 0, 0, -1, 0, 1e18, 1}}) == "column 0, row 5 (width): 1e+18 is no index");
  REQUIRE(refusal({}) == "holds no fault");
  const auto rows = from_alfi({10, 1, std::vector<double>(10)}, {}, {sites(), {}}, "m.npy");
  REQUIRE(rows.error().what == "10 rows, expected 7");
}

TEST_CASE("per_image: a column goes to the image of its batch that it names", "[faultgen][alfi]") {
  // Batches of 2 images, 4 images, 2 epochs; the batch size is seen from the row.
  REQUIRE(groups_of(set_of(
              {at(0, 0), at(1, 1), at(0, 2), at(1, 3), at(0, 4), at(1, 3), at(0, 2), at(1, 1)},
              {.samples = 4})) == Groups{{0}, {1}, {2}, {3}, {4}, {3}, {2}, {1}});
  // Not counting up: the batch size must be said. Image 1 gets both faults of its batch.
  const std::vector<std::vector<double>> same{at(1, 0), at(1, 1), at(1, 2), at(1, 3)};
  REQUIRE(
      refusal(same, {.samples = 4}) ==
      "the row of batch indices does not count up and start again: the images of a batch are not "
      "known");
  REQUIRE(groups_of(set_of(same, {.samples = 4, .alfi_batch = 2})) ==
          Groups{{}, {0, 1}, {}, {2, 3}});
  // Two faults for each image.
  REQUIRE(groups_of(set_of({at(0, 0), at(1, 1), at(0, 2), at(1, 3)}, {.samples = 2, .each = 2})) ==
          Groups{{0, 2}, {1, 3}});
}

TEST_CASE("per_image: the last batch of an epoch may be smaller", "[faultgen][alfi]") {
  const std::vector<std::vector<double>> columns{at(0, 0), at(1, 1), at(0, 2),
                                                 at(0, 3), at(1, 4), at(0, 0)};
  const Case three{.samples = 3, .alfi_batch = 2};
  REQUIRE(groups_of(set_of(columns, three)) == Groups{{0}, {1}, {2}, {3}, {4}, {0}});
  auto outside = columns;
  outside[2] = at(1, 2);
  REQUIRE(refusal(outside, three) == "column 2, row 0 (batch index): image 1 of a batch of 1");
  REQUIRE(refusal({at(0, 0), at(1, 1), at(0, 2), at(1, 3)}, {.samples = 3}) ==
          "4 columns do not fill epochs of 3 images with 1 fault each");
}

TEST_CASE("per_image: height of an fcc neuron is the image", "[faultgen][alfi]") {
  const auto fc = [](double b, double h, double w) {
    return std::vector<double>{b, 3, -1, -1, h, w, 1};
  };
  REQUIRE(groups_of(set_of({fc(0, 1, 5), fc(1, 1, 4), at(0, 3), fc(1, 1, 2)}, {.samples = 4})) ==
          Groups{{}, {5, 4}, {3}, {2}});
  REQUIRE(refusal({fc(0, 2, 5), fc(1, 0, 5)}, {.samples = 2}) ==
          "column 0, row 4 (height): image 2 of a batch of 2");
  // Where the output has a dimension more, row 0 is the image.
  REQUIRE(groups_of(set_of({{0, 4, -1, -1, 1, 0, 1}, {1, 4, -1, -1, 2, 0, 1}}, {.samples = 2})) ==
          Groups{{8}, {16}});
}

TEST_CASE("per_image: what meets twice in an image is named by its columns", "[faultgen][alfi]") {
  REQUIRE(refusal({at(0, 0), at(0, 0)}, {.samples = 2, .alfi_batch = 2}) ==
          "column 0 and column 1 hit the same bit of element 0 of the neurons of conv in one group "
          "(epoch 0, slot 0)");
}

TEST_CASE("per_batch: each group of columns meets a batch", "[faultgen][alfi]") {
  const Case batches{.policy = Policy::per_batch, .batch_size = 2, .samples = 5};
  // 3 batches an epoch; the row of batch indices is not looked at.
  const FaultSet set =
      set_of({at(0, 0), at(1, 1), at(0, 2), at(1, 3), at(0, 4), at(1, 0)}, batches);
  REQUIRE(groups_of(set) == Groups{{0}, {1}, {2}, {3}, {4}, {0}});
  REQUIRE(set.groups[4] == FaultGroup{1, 1, 4, 1});
  REQUIRE(refusal({at(0, 0), at(1, 1), at(0, 2), at(1, 3), at(0, 4)}, batches) ==
          "5 columns do not fill epochs of 3 groups of 1 fault");
  Case pairs = batches;
  pairs.each = 2;
  REQUIRE(groups_of(set_of({at(0, 0), at(1, 1), at(0, 2), at(1, 3), at(0, 4), at(1, 0)}, pairs)) ==
          Groups{{0, 1}, {2, 3}, {4, 0}});
  Case other = batches;
  other.alfi_batch = 3;
  REQUIRE(refusal({at(0, 0)}, other) == "batches of 3 images there, but faults.batch_size is 2");
}

TEST_CASE("per_epoch: each group of columns is an epoch", "[faultgen][alfi]") {
  const FaultSet set = set_of({at(0, 0), at(1, 1), at(2, 2), at(3, 3)},
                              {.policy = Policy::per_epoch, .samples = 100, .each = 2});
  REQUIRE(groups_of(set) == Groups{{0, 1}, {2, 3}});
  REQUIRE(set.groups[1] == FaultGroup{1, 0, 2, 2});
}

TEST_CASE("fcc neurons that PyTorchALFI puts into one image of a batch have no group",
          "[faultgen][alfi]") {
  const std::vector<double> fc{0, 3, -1, -1, 0, 5, 1};
  const std::string lost =
      "column 0, row 4 (height): of the fcc layer fc: PyTorchALFI hits the neuron in this one "
      "image "
      "of a batch, once for each image, so an even number of times means not at all";
  REQUIRE(refusal({fc}, {.policy = Policy::per_batch, .batch_size = 2, .samples = 2}) == lost);
  REQUIRE(refusal({fc}, {.policy = Policy::per_batch, .batch_size = 1, .samples = 1}).empty());
  REQUIRE(refusal({fc, fc}, {.policy = Policy::per_epoch, .alfi_batch = 1}).empty());
  REQUIRE(refusal({fc}, {.policy = Policy::per_epoch, .alfi_batch = 4}) == lost);
  std::vector<double> second = fc;
  second[4] = 1;
  REQUIRE(refusal({second}, {.policy = Policy::per_epoch}) == lost);
}

TEST_CASE("weights of single images are refused", "[faultgen][alfi]") {
  REQUIRE(refusal({{0, 2, 1, -1, 1, 0, 0}}, {.mode = AlfiMode::weights}) ==
          "PyTorchALFI has no weight faults of single images");
}

TEST_CASE("a matrix comes as .npy or CSV, either way round", "[faultgen][alfi]") {
  const NumberMatrix matrix{7, 2, {0, 1, 0, 0, 0, 0, -1, -1, 0, 0, 3, 4, 1, 1}};
  const NumberMatrix turned{2, 7, {0, 0, 0, -1, 0, 3, 1, 1, 0, 0, -1, 0, 4, 1}};
  for (const NumberMatrix& given : {matrix, turned}) {
    const auto npy = parse_alfi_matrix(test::npy_file(given, "<i8", false, 1), "m.npy");
    REQUIRE(npy.ok());
    REQUIRE(*npy == matrix);
  }
  const auto rows = parse_alfi_matrix("0,1\n0,0\n0,0\n-1,-1\n0,0\n3,4\n1,1\n", "m.csv");
  REQUIRE(*rows == matrix);
  const auto columns = parse_alfi_matrix("0,0,0,-1,0,3,1\n1,0,0,-1,0,4,1\n", "m.csv");
  REQUIRE(*columns == matrix);
}

TEST_CASE("seven faults of seven rows: .npy has them in columns, CSV is refused",
          "[faultgen][alfi]") {
  NumberMatrix square{7, 7, std::vector<double>(49)};
  square.values[1] = 5;
  REQUIRE(*parse_alfi_matrix(test::npy_file(square, "<f8", true, 2), "m.npy") == square);
  std::string text;
  for (int i = 0; i < 7; ++i) text += "0,0,0,0,0,0,0\n";
  const auto refused = parse_alfi_matrix(text, "m.csv");
  REQUIRE(refused.error().what ==
          "seven rows of seven numbers: each can be a fault, or one property of all");
}

TEST_CASE("a pickle is named as one", "[faultgen][alfi]") {
  const auto refused = parse_alfi_matrix("\x80\x04\x95 and so on", "fault_locs.bin");
  REQUIRE(refused.error().what == "is a Python pickle, which can run any code when it is read");
  REQUIRE_THAT(refused.error().hint, Catch::Contains("numpy.save('faults.npy'"));
}
