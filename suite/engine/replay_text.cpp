#include "augment/pipeline.hpp"
#include "faultgen/bits.hpp"
#include "metrics/outcome.hpp"
#include "suite/base/text.hpp"
#include "suite/engine/identity.hpp"
#include "suite/engine/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

namespace bitquake::engine {
namespace {

using faultgen::Fault;

constexpr std::size_t kFaultsShown = 20, kScoresShown = 5;

std::string bits_text(const Fault& fault) {
  static constexpr std::array<std::string_view, 3> kFields{"mantissa", "exponent", "sign"};
  std::vector<std::string> bits;
  for (std::uint64_t mask = fault.bit_mask; mask != 0; mask &= mask - 1) {
    const auto bit = static_cast<unsigned>(std::countr_zero(mask));
    const auto field = static_cast<std::size_t>(faultgen::field_of(fault.storage, bit).value());
    bits.push_back(fmt::format("{} ({})", bit, kFields[field]));
  }
  if (bits.empty()) return "the whole value";
  return fmt::format("{} {}", bits.size() == 1 ? "bit" : "bits", fmt::join(bits, ", "));
}

std::string value_text(const faultgen::Storage& storage, std::uint64_t bits) {
  const auto digits = static_cast<int>(2 + (faultgen::storage_bits(storage) + 3) / 4);
  return fmt::format("{:#0{}x} = {}", bits, digits, faultgen::decode(storage, bits));
}

std::string fault_text(const Inputs& inputs, std::uint64_t id, const Fault& fault,
                       const results::InjectionRow& injection) {
  const faultgen::Site& site = inputs.faults.sites[fault.site];
  const auto& shape = faultgen::tensor_shape(site, fault.target);
  std::string text = fmt::format(
      "  fault {}: {} in {} of {} ({})\n"
      "    element {} at [{}] of {}\n",
      id, faultgen::fault_model_info(fault.model).name, name_of(faultgen::kTargets, fault.target),
      faultgen::site_name(site), faultgen::to_string(site.kind), with_commas(fault.element),
      fmt::join(faultgen::element_index(shape, fault.element), ", "), shape_text(shape));
  text += "    " + bits_text(fault);
  if (fault.storage.format != faultgen::NumberFormat::fp32) {
    text += " of " + faultgen::storage_text(fault.storage);
  }
  if (injection.active == 0) return text + ": intermittent, did not act on this sample\n";
  if (injection.reached == 0) return text + ": not reached by control flow\n";
  const bool same = injection.original_bits == injection.corrupted_bits;
  return text + fmt::format(": before {}, after {}{}\n",
                            value_text(fault.storage, injection.original_bits),
                            value_text(fault.storage, injection.corrupted_bits),
                            same ? " (no change)" : "");
}

std::string faults_text(const Replay& replay, const Inputs& inputs) {
  const TrialFaults& present = replay.again.faults;
  const auto& injections = replay.again.rows.injections;
  const auto row = replay.again.rows.trials.front();
  const std::uint64_t own = inputs.faults.groups[row.group].n_faults;
  std::string text = fmt::format("faults   {} present", with_commas(present.ids.size()));
  if (own != present.ids.size()) {
    text += fmt::format(": {} of group {}, {} of earlier epochs", with_commas(own), row.group,
                        with_commas(present.ids.size() - own));
  }
  text += "\n";
  const std::size_t shown = std::min(present.ids.size(), kFaultsShown);
  for (std::size_t i = present.ids.size() - shown; i < present.ids.size(); ++i) {
    text += fault_text(inputs, present.ids[i], present.faults[i], injections[i]);
  }
  if (shown < present.ids.size()) {
    text += fmt::format("  these are the last {}; all are in /injections of trials.h5\n", shown);
  }
  return text;
}

/// Classes by falling score, NaN last, ties to the lowest.
std::vector<std::size_t> ranking(const std::vector<float>& scores) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return scores[a] > scores[b] || (!std::isnan(scores[a]) && std::isnan(scores[b]));
  });
  return order;
}

std::string scores_text(const Replay& replay, const Inputs& inputs) {
  const std::vector<float>& golden = replay.again.golden_scores;
  const std::vector<float>& faulty = replay.again.trace.result.output;
  const std::vector<std::size_t> first = ranking(golden), second = ranking(faulty);
  std::vector<std::vector<std::string>> table{
      {"rank", "golden class", "score", "probability", "faulty class", "score", "probability"}};
  const auto cells = [&](const std::vector<float>& scores, const std::vector<std::size_t>& order,
                         std::size_t rank) -> std::vector<std::string> {
    if (rank >= order.size()) return {"-", "-", "-"};
    const std::size_t label = order[rank];
    const double p = metrics::probability(scores, label, inputs.scenario.model.output);
    return {std::to_string(label), fmt::format("{}", scores[label]), fmt::format("{:.6g}", p)};
  };
  for (std::size_t rank = 0; rank < std::min(golden.size(), kScoresShown); ++rank) {
    std::vector<std::string> line{std::to_string(rank + 1)};
    for (const auto& part : {cells(golden, first, rank), cells(faulty, second, rank)}) {
      line.insert(line.end(), part.begin(), part.end());
    }
    table.push_back(std::move(line));
  }
  return aligned_table(table);
}

std::string outcome_text(const Replay& replay, const Inputs& inputs) {
  const results::TrialRow& row = replay.again.rows.trials.front();
  const results::GoldenRow& golden = replay.again.rows.golden.front();
  const auto outcome = static_cast<metrics::Outcome>(row.outcome);
  std::string why;
  if (outcome == metrics::Outcome::due && row.message != results::kNoMessage) {
    why = "the inference failed: " + replay.again.rows.messages[row.message];
  } else if (outcome == metrics::Outcome::due) {
    const auto point = static_cast<std::size_t>(row.first_nonfinite);
    why = fmt::format("NaN or Inf where golden is finite, first at {}",
                      inputs.model->points()[point].path);
  } else if (outcome == metrics::Outcome::masked) {
    why = "the output is bit-identical to golden";
  } else if (outcome == metrics::Outcome::benign) {
    why = fmt::format("the output differs, the top-1 class is still {}", golden.top1);
  } else if (row.faulty_top1 < 0) {
    why = fmt::format("the output holds a NaN, the golden top-1 class is {}", golden.top1);
  } else {
    why = fmt::format("the top-1 class is {}, golden {}", row.faulty_top1, golden.top1);
  }
  return fmt::format(
      "outcome  {}: {}\n"
      "         sdc5 {}, sdc10 {}, sdc20 {}; probability of class {}: golden {:.6g}, faulty "
      "{:.6g}\n",
      metrics::kOutcomeNames[row.outcome], why, row.sdc5, row.sdc10, row.sdc20, golden.top1,
      row.golden_probability, row.faulty_probability);
}

/// The first guard with an alarm that the golden run does not have; empty without guards.
std::string alarm_text(const Replay& replay, const Inputs& inputs) {
  const results::TrialRow& row = replay.again.rows.trials.front();
  const auto& guards = inputs.variant(row.variant).guards();
  if (guards.empty()) return "";
  if (row.alarm < 0) return "alarm    none that golden does not raise too: not detected\n";
  const auto number = static_cast<std::size_t>(row.alarm - inputs.guard_row(row.variant, 0));
  const model::PlacedGuard& guard = guards.at(number);
  return fmt::format("alarm    first by {} of {}: detected{}\n", guard.name,
                     faultgen::site_name(inputs.model->sites()[guard.site]),
                     row.corrected != 0 ? ", corrected" : "");
}

std::string sites_text(const Replay& replay, const Inputs& inputs) {
  std::vector<std::vector<std::string>> table{{"site", "kind", "elements", "differ",
                                               "max |faulty - golden|", "relative L2", "NaN", "Inf",
                                               ""}};
  bool first = true;
  for (const model::SiteDeviation& at : replay.again.trace.sites) {
    const faultgen::Site& site = inputs.model->sites()[at.site];
    const std::string name = faultgen::site_name(site);
    const std::string kind(faultgen::to_string(site.kind));
    if (at.elements == 0) {
      const bool silent = site.kind == faultgen::SiteKind::recurrent_weight;
      table.push_back({name, kind, silent ? "no output" : "not run", "-", "-", "-", "-", "-", ""});
      continue;
    }
    const bool marked = first && at.differing > 0;
    if (marked) first = false;
    table.push_back({name, kind, with_commas(at.elements), with_commas(at.differing),
                     at.max_abs ? fmt::format("{:.6g}", *at.max_abs) : "-",
                     at.rel_l2 ? fmt::format("{:.6g}", *at.rel_l2) : "-", with_commas(at.nan),
                     with_commas(at.inf), marked ? "<- first" : ""});
  }
  return "Deviation from golden at each site, in execution order\n" + aligned_table(table);
}

/// Lines that only one of two fingerprints has, one for each name.
std::string numerics_text(const Replay& replay) {
  if (replay.stored_numerics == replay.numerics) return "";
  return "\nThe campaign ran with other numerics than this machine's: last bits may differ, which "
         "is "
         "no\ndefect. ATEN_CPU_CAPABILITY, DNNL_MAX_CPU_ISA, OPENBLAS_CORETYPE "
         "and\nOPENCV_CPU_DISABLE pin them.\n"
         "of the campaign:\n" +
         replay.stored_numerics + "here:\n" + replay.numerics;
}

std::string comparison_text(const Replay& replay) {
  if (replay.differences.empty()) {
    return fmt::format("REPRODUCED  all {} columns of the trial's rows are as stored\n",
                       replay.columns);
  }
  std::vector<std::vector<std::string>> table{{"column", "stored", "replayed"}};
  for (const results::Difference& at : replay.differences) {
    table.push_back({at.column, at.stored, at.computed});
  }
  const bool comparable = replay.stored_numerics == replay.numerics;
  return aligned_table(table) + fmt::format("{}  {} of {} columns differ from the stored rows\n",
                                            comparable ? "NOT REPRODUCED" : "NOT COMPARABLE",
                                            replay.differences.size(), replay.columns);
}

}  // namespace

std::string replay_text(const Replay& replay, const Inputs& inputs) {
  const datasets::Sample& sample = replay.input.samples.front();
  const auto [perturbation, epoch, position, variant] = inputs.plan.place_of(replay.trial);
  std::string text = fmt::format(
      "trial    {} of {}: {}epoch {}, sample {}, group {} ({})\n"
      "sample   {}, index {}, {}, {}x{} pixels\n"
      "source   {}\n"
      "image    {}\n",
      replay.trial, with_commas(inputs.plan.trials()),
      inputs.modified.empty() ? "" : variant_names(inputs.scenario)[variant] + ", ", epoch,
      position, inputs.plan.group(epoch, position),
      name_of(faultgen::kPolicies, inputs.plan.schedule().policy), sample.dataset, sample.index,
      sample.label ? fmt::format("label {}", *sample.label) : "no label", sample.height,
      sample.width, sample.file, augment::label(inputs.scenario.perturbations[perturbation]));
  if (replay.again.rows.trials.empty()) {
    text += "outcome  none: the golden output is not finite here\n";
  } else {
    text += faults_text(replay, inputs) + outcome_text(replay, inputs) +
            alarm_text(replay, inputs) + "\n" + scores_text(replay, inputs) + "\n" +
            sites_text(replay, inputs);
  }
  return text + numerics_text(replay) + "\n" + comparison_text(replay);
}

}  // namespace bitquake::engine
