#include "faultgen/alfi_matrix.hpp"
#include "faultgen/fault_list.hpp"
#include "tests/faultgen/example_set.hpp"
#include "tests/fuzz/require.hpp"

#include <fuzzer/FuzzedDataProvider.h>
#include <sstream>

using namespace bitquake;
using namespace bitquake::faultgen;
using fuzz::require;

namespace {

void check_message(const Error& error) {
  require(error.code == Errc::fault_set, "a refusal is of its kind");
  require(!error.where.empty() && !error.what.empty(), "a message says where and what");
}

ListContext any_context(FuzzedDataProvider& bytes) {
  ListContext context{test::example_sites(), test::example_set().provenance};
  context.sites.push_back({"deep", 0, SiteKind::conv3d, {1, 1, 1, 2, 2}, {1, 1, 2, 2}});
  const auto policy =
      bytes.PickValueInArray({Policy::per_image, Policy::per_batch, Policy::per_epoch});
  context.provenance.schedule = {
      policy, policy == Policy::per_batch ? bytes.ConsumeIntegralInRange<std::uint64_t>(1, 4) : 1};
  if (bytes.ConsumeBool()) context.samples = bytes.ConsumeIntegralInRange<std::uint64_t>(1, 9);
  return context;
}

void use(const Result<FaultSet>& set, const ListContext& context) {
  if (!set) return check_message(set.error());
  require(check_consistent(*set, "").ok(), "a set that was made is consistent");
  if (set->groups.size() > 10'000) return;  // writing them takes time
  std::ostringstream csv;
  write_csv(*set, csv);
  ListContext again = context;
  again.samples = set->provenance.schedule.batch_size * (set->groups.back().slot + 1);
  const auto read = parse_fault_list(csv.str(), "again.csv", again);
  require(read.ok(), "a set that was made can be read back");
  // Epochs without faults at the end are not listed.
  require(read->faults == set->faults && read->sampling_weight == set->sampling_weight,
          "a set written again has the same faults");
}

}  // namespace

/// A list as CSV, or a matrix of PyTorchALFI as .npy or CSV.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider bytes(data, size);
  const ListContext context = any_context(bytes);
  const bool list = bytes.ConsumeBool();
  AlfiOptions options;
  options.mode = bytes.ConsumeBool() ? AlfiMode::neurons : AlfiMode::weights;
  options.layers = {SiteKind::conv2d, SiteKind::conv3d, SiteKind::linear};
  options.faults_per_group = bytes.ConsumeIntegralInRange<std::uint32_t>(1, 3);
  if (bytes.ConsumeBool()) options.batch_size = bytes.ConsumeIntegralInRange<std::uint64_t>(1, 4);
  const std::string text = bytes.ConsumeRemainingBytesAsString();
  if (list) {
    use(parse_fault_list(text, "list.csv", context), context);
    return 0;
  }
  const auto matrix = parse_alfi_matrix(text, "faults.npy");
  if (!matrix) {
    check_message(matrix.error());
    return 0;
  }
  require(matrix->values.size() == matrix->rows * matrix->columns, "a matrix is whole");
  use(from_alfi(*matrix, options, context, "faults.npy"), context);
  return 0;
}
