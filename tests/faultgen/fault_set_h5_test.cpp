#include "faultgen/fault_set.hpp"
#include "faultgen/sampler.hpp"
#include "suite/base/h5.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/seal.hpp"
#include "tests/base/temp_directory.hpp"
#include "tests/faultgen/example_set.hpp"
#include "tests/faultgen/simple_plan.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <functional>
#include <limits>

using namespace bitquake;
using namespace bitquake::faultgen;

namespace {

namespace fs = std::filesystem;

std::string refusal(const fs::path& path) {
  const auto set = read_fault_set(path);
  REQUIRE_FALSE(set);
  REQUIRE(set.error().code == Errc::fault_set);
  REQUIRE(set.error().where == path.string());
  return set.error().what;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void damage_file(const fs::path& path, const std::function<void(hid_t)>& damage) {
  const h5::Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT), H5Fclose);
  REQUIRE(file >= 0);
  damage(file);
}

/// What reading says after `damage` was done to the file of the example set.
std::string refusal_after(const std::function<void(hid_t)>& damage) {
  const test::TempDirectory directory;
  const fs::path path = directory / "set.h5";
  write_fault_set(test::example_set(), path);
  damage_file(path, damage);
  return refusal(path);
}

void remove(hid_t file, const std::string& name) {
  REQUIRE(H5Ldelete(file, name.c_str(), H5P_DEFAULT) >= 0);
}

/// Puts a column of `type` with `rows` rows of zeros in place of the one that is there.
void replace(hid_t file, const std::string& name, hid_t type, hsize_t rows) {
  remove(file, name);
  const h5::Handle space(H5Screate_simple(1, &rows, nullptr), H5Sclose);
  const h5::Handle dataset(
      H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  REQUIRE(dataset >= 0);
}

void set_attribute(hid_t file, const std::string& name, std::uint64_t value) {
  const h5::Handle attribute(H5Aopen(file, name.c_str(), H5P_DEFAULT), H5Aclose);
  REQUIRE(H5Awrite(attribute, H5T_NATIVE_UINT64, &value) >= 0);
}

void set_attribute(hid_t file, const std::string& name, const char* value) {
  const h5::Handle attribute(H5Aopen(file, name.c_str(), H5P_DEFAULT), H5Aclose);
  const h5::Handle type(H5Aget_type(attribute), H5Tclose);
  REQUIRE(H5Awrite(attribute, type, &value) >= 0);
}

/// What reading says about the example set after `damage`, written as if it were whole.
std::string refusal_of(const std::function<void(FaultSet&)>& damage) {
  const test::TempDirectory directory;
  FaultSet set = test::example_set();
  damage(set);
  write_fault_set(set, directory / "set.h5");
  return refusal(directory / "set.h5");
}

constexpr std::array kColumns{"faults/site",     "faults/target",      "faults/element",
                              "faults/bit_mask", "faults/fault_model", "faults/sampling_weight",
                              "groups/epoch",    "groups/slot",        "groups/first_fault",
                              "groups/n_faults", "sites/path",         "sites/call",
                              "sites/kind",      "sites/weight_shape", "sites/output_shape",
                              "sites/neurons",   "sites/weights"};

constexpr std::array kAttributes{"format",    "format_version", "seed",
                                 "generator", "model_sha256",   "input_shape",
                                 "policy",    "batch_size",     "scenario"};

}  // namespace

TEST_CASE("a fault set survives its file", "[faultgen][h5]") {
  const test::TempDirectory directory;
  FaultSet set = test::example_set();
  set.provenance.seed = std::numeric_limits<std::uint64_t>::max();
  set.sites.push_back({"scalar", 0, SiteKind::conv3d, {}, {}});
  set.sites.push_back({"", 0, SiteKind::conv1d, {2, 1, 3}, {2, 7}});
  write_fault_set(set, directory / "set.h5");
  REQUIRE(value_or_throw(read_fault_set(directory / "set.h5")) == set);
}

TEST_CASE("a drawn set of many chunks survives its file", "[faultgen][h5]") {
  const test::TempDirectory directory;
  const FaultSpace space(test::example_sites(), Target::neuron);
  const auto set = value_or_throw(test::draw_faults(
      space, {.draw = Draw::sites, .per_group = 2, .epochs = 2, .samples = 20'000, .seed = 3}));
  write_fault_set(set, directory / "set.h5");
  REQUIRE(value_or_throw(read_fault_set(directory / "set.h5")) == set);
}

TEST_CASE("a set without faults survives its file", "[faultgen][h5]") {
  const test::TempDirectory directory;
  FaultSet set;
  set.provenance.schedule = {Policy::per_batch, 7};
  write_fault_set(set, directory / "set.h5");
  REQUIRE(value_or_throw(read_fault_set(directory / "set.h5")) == set);
}

TEST_CASE("equal sets give equal bytes", "[faultgen][h5]") {
  const test::TempDirectory directory;
  write_fault_set(test::example_set(), directory / "a.h5");
  write_fault_set(test::example_set(), directory / "b.h5");
  REQUIRE(test::read_bytes(directory / "a.h5") == test::read_bytes(directory / "b.h5"));
}

TEST_CASE("every column says what it holds", "[faultgen][h5]") {
  const test::TempDirectory directory;
  write_fault_set(test::example_set(), directory / "set.h5");
  const auto file = value_or_throw(h5::File::open(directory / "set.h5", Errc::fault_set));
  for (const char* name : kColumns) {
    REQUIRE(file.column_doc(name).units == "1");
    REQUIRE_FALSE(file.column_doc(name).doc.empty());
  }
  REQUIRE(file.column_doc("faults/fault_model").doc ==
          "0 bit_flip, 1 stuck_at_0, 2 stuck_at_1, 3 set_value, 4 zero, 5 sign_flip, "
          "6 random_value, 7 gaussian, 8 nan, 9 inf");
  REQUIRE(file.column_doc("faults/target").doc ==
          "0 neurons, 1 weights, 2 biases, 3 running_means, 4 running_vars, 5 site_inputs, "
          "6 network_input");
  REQUIRE(file.read_strings("sites/weight_shape")[0] == "1x1x2x2");
  REQUIRE(file.read_strings("sites/kind")[2] == "linear");
  REQUIRE(file.read_column<std::uint64_t>("sites/neurons") == std::vector<std::uint64_t>{6, 6, 4});
  REQUIRE(file.read_column<std::uint64_t>("sites/weights") == std::vector<std::uint64_t>{4, 0, 8});
  REQUIRE(file.integer_attribute("format_version") == kFaultSetVersion);
  REQUIRE(file.string_attribute("input_shape") == "1x3x4");
}

TEST_CASE("writing replaces an older file and leaves nothing else behind", "[faultgen][h5]") {
  const test::TempDirectory directory;
  test::write_bytes(directory / "set.h5", "something older");
  write_fault_set(test::example_set(), directory / "set.h5");
  REQUIRE(read_fault_set(directory / "set.h5"));
  const auto entries = fs::directory_iterator(directory.path());
  REQUIRE(std::distance(begin(entries), end(entries)) == 1);
}

TEST_CASE("a write that fails says so and leaves nothing behind", "[faultgen][h5]") {
  const test::TempDirectory directory;
  const auto error_of_write = [](const fs::path& path) {
    try {
      write_fault_set(test::example_set(), path);
    } catch (const Exception& exception) {
      return exception.error();
    }
    FAIL("nothing was thrown");
    return Error{};
  };
  test::write_bytes(directory / "plain", "x");
  REQUIRE(error_of_write(directory / "plain" / "set.h5").code == Errc::results);
  // A directory that is not empty cannot be replaced by the file: only the last step fails.
  fs::create_directory(directory / "taken");
  test::write_bytes(directory / "taken" / "file", "x");
  const Error error = error_of_write(directory / "taken");
  REQUIRE(error.code == Errc::results);
  REQUIRE(error.where == (directory / "taken").string());
  REQUIRE_FALSE(fs::exists(directory / "taken.tmp"));
}

TEST_CASE("a file that is missing or something else is refused", "[faultgen][h5]") {
  const test::TempDirectory directory;
  REQUIRE(contains(refusal(directory / "missing.h5"), "No such file"));
  test::write_bytes(directory / "text.h5", "text");
  REQUIRE(contains(refusal(directory / "text.h5"), "not an HDF5 file"));
  h5::File::create(directory / "empty.h5", Errc::fault_set).close();
  REQUIRE(contains(refusal(directory / "empty.h5"), "is no fault set"));
}

TEST_CASE("a truncated set is refused, wherever it ends", "[faultgen][h5]") {
  const test::TempDirectory directory;
  write_fault_set(test::example_set(), directory / "set.h5");
  const std::string bytes = test::read_bytes(directory / "set.h5");
  const std::size_t seal = bytes.rfind("sha256:");
  for (std::size_t size = 0; size < bytes.size(); size += size < seal ? 101 : 1) {
    // With less than its mark left of the seal, the set itself is whole.
    if (size >= seal && size < seal + 7) continue;
    test::write_bytes(directory / "cut.h5", bytes.substr(0, size));
    refusal(directory / "cut.h5");
  }
}

TEST_CASE("any damaged byte of a set is noticed before HDF5 sees the file",
          "[faultgen][h5][property]") {
  const test::TempDirectory directory;
  write_fault_set(test::example_set(), directory / "set.h5");
  const std::string whole = test::read_bytes(directory / "set.h5");
  for (std::uint64_t run = 0; run < 300; ++run) {
    Draws draws(7, Stream::check_input, run);
    std::string damaged = whole;
    damaged[draws.below(damaged.size())] ^= static_cast<char>(1U << draws.below(8));
    test::write_bytes(directory / "damaged.h5", damaged);
    REQUIRE(refusal(directory / "damaged.h5") ==
            "is damaged or truncated: its checksum does not fit");
  }
}

TEST_CASE("a set without a seal is accepted", "[faultgen][h5]") {
  const test::TempDirectory directory;
  write_fault_set(test::example_set(), directory / "set.h5");
  const std::string sealed = test::read_bytes(directory / "set.h5");
  test::write_bytes(directory / "plain.h5", sealed.substr(0, sealed.rfind("sha256:")));
  REQUIRE(value_or_throw(read_fault_set(directory / "plain.h5")) == test::example_set());
  seal_file(directory / "plain.h5");
  REQUIRE(test::read_bytes(directory / "plain.h5") == sealed);
}

TEST_CASE("the policy of a set survives its file", "[faultgen][h5]") {
  const test::TempDirectory directory;
  const Schedule schedule =
      GENERATE(Schedule{}, Schedule{Policy::per_batch, 7}, Schedule{Policy::per_batch, 1},
               Schedule{Policy::per_epoch, 1});
  const FaultSpace space(test::example_sites(), Target::weight);
  const auto set = value_or_throw(test::draw_faults(
      space,
      {.target = Target::weight, .schedule = schedule, .epochs = 3, .samples = 20, .seed = 3}));
  write_fault_set(set, directory / "set.h5");
  REQUIRE(value_or_throw(read_fault_set(directory / "set.h5")) == set);
  const auto file = value_or_throw(h5::File::open(directory / "set.h5", Errc::fault_set));
  REQUIRE(file.string_attribute("policy") == name_of(kPolicies, schedule.policy));
  REQUIRE(file.integer_attribute("batch_size") == schedule.batch_size);
}

TEST_CASE("a policy that is unknown or does not go with the rest is refused", "[faultgen][h5]") {
  const auto with = [](const char* policy, std::uint64_t batch_size) {
    return refusal_after([&](hid_t file) {
      set_attribute(file, "policy", policy);
      set_attribute(file, "batch_size", batch_size);
    });
  };
  REQUIRE(with("per_layer", 1) == "unknown policy 'per_layer'");
  REQUIRE(with("", 1) == "unknown policy ''");
  REQUIRE(with("per_image", 4) == "batch size 4 does not go with policy per_image");
  REQUIRE(with("per_batch", 0) == "batch size 0 does not go with policy per_batch");
  REQUIRE(with("per_epoch", 1) == "group 1 has slot 1, but policy per_epoch has only slot 0");
  REQUIRE(contains(refusal_after([](hid_t file) {
                     REQUIRE(H5Adelete(file, "batch_size") >= 0);
                     const h5::Handle space(H5Screate(H5S_SCALAR), H5Sclose);
                     const h5::Handle real(H5Acreate2(file, "batch_size", H5T_IEEE_F64LE, space,
                                                      H5P_DEFAULT, H5P_DEFAULT),
                                           H5Aclose);
                     REQUIRE(real >= 0);
                   }),
                   "'batch_size'"));
}

TEST_CASE("a missing column is named", "[faultgen][h5]") {
  for (const std::string name : kColumns) {
    REQUIRE(contains(refusal_after([&](hid_t file) { remove(file, name); }), "'" + name + "'"));
  }
}

TEST_CASE("a column of another length is named", "[faultgen][h5]") {
  // The example has 3 faults, 3 groups and 3 sites. Lengths below and above are wrong.
  for (const hsize_t rows : {2U, 4U}) {
    REQUIRE(
        contains(refusal_after([&](hid_t f) { replace(f, "faults/element", H5T_STD_U64LE, rows); }),
                 "'faults/element' has " + std::to_string(rows) + " rows, expected 3"));
    REQUIRE(
        contains(refusal_after([&](hid_t f) { replace(f, "groups/slot", H5T_STD_U64LE, rows); }),
                 "'groups/slot'"));
    REQUIRE(contains(refusal_after([&](hid_t f) { replace(f, "sites/call", H5T_STD_U32LE, rows); }),
                     "'sites/call'"));
    REQUIRE(
        contains(refusal_after([&](hid_t f) { replace(f, "sites/neurons", H5T_STD_U64LE, rows); }),
                 "'sites/neurons'"));
  }
}

TEST_CASE("a column of another type is named", "[faultgen][h5]") {
  REQUIRE(contains(refusal_after([](hid_t f) { replace(f, "faults/site", H5T_STD_U64LE, 3); }),
                   "'faults/site'"));
  REQUIRE(contains(
      refusal_after([](hid_t f) { replace(f, "faults/sampling_weight", H5T_STD_U64LE, 3); }),
      "'faults/sampling_weight'"));
  REQUIRE(contains(refusal_after([](hid_t f) { replace(f, "sites/path", H5T_STD_U32LE, 3); }),
                   "'sites/path'"));
}

TEST_CASE("columns of an absurd length cost no memory", "[faultgen][h5]") {
  const hsize_t rows = GENERATE(hsize_t{999'999'999}, hsize_t{1} << 40);
  // Contiguous and never written: late allocation lets the file stay tiny.
  REQUIRE(contains(refusal_after([&](hid_t file) {
                     for (const char* name : {"faults/site", "faults/element"}) {
                       replace(file, name, name[7] == 's' ? H5T_STD_U32LE : H5T_STD_U64LE, rows);
                     }
                     replace(file, "faults/target", H5T_STD_U8LE, rows);
                   }),
                   "'faults/"));
}

TEST_CASE("a missing attribute is named", "[faultgen][h5]") {
  for (const std::string name : kAttributes) {
    const auto what =
        refusal_after([&](hid_t file) { REQUIRE(H5Adelete(file, name.c_str()) >= 0); });
    REQUIRE(contains(what, "'" + name + "'"));
  }
}

TEST_CASE("another format or a newer version is refused", "[faultgen][h5]") {
  REQUIRE(contains(
      refusal_after([](hid_t f) { set_attribute(f, "format_version", kFaultSetVersion + 1); }),
      "version 3"));
  REQUIRE(
      contains(refusal_after([](hid_t f) { set_attribute(f, "format_version", std::uint64_t{0}); }),
               "version 0"));
  REQUIRE(contains(refusal_after([](hid_t f) { set_attribute(f, "format", "bitquake trials"); }),
                   "bitquake trials"));
}

TEST_CASE("a shape must read as one", "[faultgen][h5]") {
  const char* text =
      GENERATE("x", "1x", "x1", "1xx2", "1x-2", "1 x2", "1.5", "99999999999999999999");
  REQUIRE(contains(refusal_after([&](hid_t f) { set_attribute(f, "input_shape", text); }),
                   "input_shape is '" + std::string(text) + "'"));
}

/// Puts another table of codes and names to the column of fault models; null: none.
void set_model_table(hid_t file, const char* table) {
  const h5::Handle column(H5Dopen2(file, "faults/fault_model", H5P_DEFAULT), H5Dclose);
  if (H5Aexists(column, "doc") > 0) REQUIRE(H5Adelete(column, "doc") >= 0);
  if (table == nullptr) return;
  const h5::Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  REQUIRE(H5Tset_size(type, std::strlen(table) + 1) >= 0);
  const h5::Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  const h5::Handle attribute(H5Acreate2(column, "doc", type, space, H5P_DEFAULT, H5P_DEFAULT),
                             H5Aclose);
  REQUIRE(H5Awrite(attribute, type, table) >= 0);
}

TEST_CASE("codes of fault models mean what the file's table of names says", "[faultgen][h5]") {
  const auto after = [](const char* table) {
    return refusal_after([&](hid_t file) { set_model_table(file, table); });
  };
  const char* malformed =
      GENERATE("0", "0 ", "bit_flip", "0 bit_flip,1 stuck_at_0", "0 bit_flip, ", "256 bit_flip",
               "0 bit_flip, 0 stuck_at_0", "-1 bit_flip", "0  bit_flip", "0 bit\x1b");
  REQUIRE(contains(after(malformed), "no table of codes and names"));
  REQUIRE(contains(after("0 bit_flip, 2 stuck_at_1"), "fault 1: unknown fault model 1"));
  REQUIRE(
      contains(after("0 bit_flip, 1 mine, 2 stuck_at_1"), "fault 1: fault model 'mine' is not"));

  const test::TempDirectory directory;
  const fs::path path = directory / "set.h5";
  FaultSet set = test::example_set();
  write_fault_set(set, path);
  damage_file(path, [](hid_t file) { set_model_table(file, nullptr); });
  REQUIRE(value_or_throw(read_fault_set(path)) == set);

  damage_file(path,
              [](hid_t file) { set_model_table(file, "0 stuck_at_1, 1 bit_flip, 2 stuck_at_0"); });
  set.faults[0].model = FaultModel::stuck_at_1;
  set.faults[1].model = FaultModel::bit_flip;
  set.faults[2].model = FaultModel::stuck_at_0;
  REQUIRE(value_or_throw(read_fault_set(path)) == set);
}

TEST_CASE("damaged values are refused", "[faultgen][h5]") {
  REQUIRE(contains(refusal_of([](FaultSet& s) { s.faults[0].element = 6; }), "fault 0"));
  REQUIRE(contains(refusal_of([](FaultSet& s) { s.faults[0].bit_mask = 1ULL << 40; }), "fault 0"));
  REQUIRE(contains(refusal_of([](FaultSet& s) { s.faults[1].model = FaultModel{9}; }), "fault 1"));
  REQUIRE(contains(refusal_of([](FaultSet& s) { s.faults[1] = s.faults[0]; }), "twice"));
  REQUIRE(contains(refusal_of([](FaultSet& s) { s.groups[2].first_fault = 7; }), "group 2"));
  REQUIRE(
      contains(refusal_of([](FaultSet& s) { s.sites[0].kind = SiteKind{99}; }), "kind of site"));
  REQUIRE(contains(refusal_after([](hid_t f) { replace(f, "sites/neurons", H5T_STD_U64LE, 3); }),
                   "'sites/neurons' disagrees"));
}
