#pragma once

#include "results/row.hpp"

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

namespace bitquake::results {

/// One column of a row type: its name, unit, meaning and the member that holds it. Every writer and
/// reader loops over these tables; there is no second list of columns anywhere.
template <class Row>
struct Column {
  std::string_view name;
  std::string_view units;
  std::string_view doc;
  std::variant<std::uint8_t Row::*, std::uint32_t Row::*, std::uint64_t Row::*, std::int32_t Row::*,
               std::int64_t Row::*, double Row::*>
      member;
};

inline constexpr std::array kTrialColumns{
    Column<TrialRow>{"trial", "1",
                     "rank in the full plan: (variant, perturbation, epoch, sample) order",
                     &TrialRow::trial},
    Column<TrialRow>{"variant", "1", "row of /variants: which network", &TrialRow::variant},
    Column<TrialRow>{"perturbation", "1", "row of /perturbations: what the image was under",
                     &TrialRow::perturbation},
    Column<TrialRow>{"epoch", "1", "pass over the data set, from 0", &TrialRow::epoch},
    Column<TrialRow>{"sample", "1", "position of the sample in the subset", &TrialRow::sample},
    Column<TrialRow>{"group", "1", "row of /groups in the fault set", &TrialRow::group},
    Column<TrialRow>{"first_fault", "1", "first fault of `group`: row of /faults in the fault set",
                     &TrialRow::first_fault},
    Column<TrialRow>{"n_faults", "1", "faults present together, each a row of /injections",
                     &TrialRow::n_faults},
    Column<TrialRow>{"outcome", "1", "0 due, 1 masked, 2 benign, 3 sde", &TrialRow::outcome},
    Column<TrialRow>{"sdc5", "1", "1: faulty top-1 outside the golden top-5 (not due)",
                     &TrialRow::sdc5},
    Column<TrialRow>{"sdc10", "1",
                     "1: probability of the golden top-1 changed by over 10 % of itself (not due)",
                     &TrialRow::sdc10},
    Column<TrialRow>{"sdc20", "1",
                     "1: probability of the golden top-1 changed by over 20 % of itself (not due)",
                     &TrialRow::sdc20},
    Column<TrialRow>{"faulty_top1", "1", "top-1 class of the faulty run; -1: NaN or failed",
                     &TrialRow::faulty_top1},
    Column<TrialRow>{"label_rank", "1", "rank of the label among the faulty scores, 0 = best",
                     &TrialRow::label_rank},
    Column<TrialRow>{"golden_probability", "1", "of the golden top-1 class, golden run",
                     &TrialRow::golden_probability},
    Column<TrialRow>{"faulty_probability", "1", "of the golden top-1 class, faulty run",
                     &TrialRow::faulty_probability},
    Column<TrialRow>{"first_nonfinite", "1",
                     "row of /points first non-finite where golden is finite; -1: none",
                     &TrialRow::first_nonfinite},
    Column<TrialRow>{"nonfinite_points", "1",
                     "points non-finite where golden is finite, each a row of /monitored",
                     &TrialRow::nonfinite_points},
    Column<TrialRow>{"any_nonfinite", "1", "1: a NaN or Inf at some module output",
                     &TrialRow::any_nonfinite},
    Column<TrialRow>{"detected", "1",
                     "1: a guard raised an alarm that it does not raise without the faults",
                     &TrialRow::detected},
    Column<TrialRow>{"corrected", "1", "1: detected, and the decision is that of the golden run",
                     &TrialRow::corrected},
    Column<TrialRow>{"alarm", "1", "row of /guards: the first that raised such an alarm; -1: none",
                     &TrialRow::alarm},
    Column<TrialRow>{"alarms", "1", "guards that raised such an alarm, each a row of /monitored",
                     &TrialRow::alarms},
    Column<TrialRow>{"message", "1", "row of /messages: why the inference failed; 0: it did not",
                     &TrialRow::message},
    Column<TrialRow>{"output_hash", "1",
                     "first 8 bytes of SHA-256 of the faulty output, each NaN as 0x7fc00000",
                     &TrialRow::output_hash},
};

inline constexpr std::array kInjectionColumns{
    Column<InjectionRow>{"trial", "1", "trial the fault was injected in", &InjectionRow::trial},
    Column<InjectionRow>{"fault", "1", "row of /faults in the fault set", &InjectionRow::fault},
    Column<InjectionRow>{"active", "1",
                         "0: the intermittent fault did not act, nothing was injected",
                         &InjectionRow::active},
    Column<InjectionRow>{"reached", "1",
                         "0: control flow did not run the site, nothing was injected",
                         &InjectionRow::reached},
    Column<InjectionRow>{"original_bits", "1", "storage bits before the fault, LSB = bit 0",
                         &InjectionRow::original_bits},
    Column<InjectionRow>{"corrupted_bits", "1", "storage bits after the fault",
                         &InjectionRow::corrupted_bits},
};

inline constexpr std::array kMonitorColumns{
    Column<MonitorRow>{"trial", "1", "trial in which the monitor noticed something",
                       &MonitorRow::trial},
    Column<MonitorRow>{"monitor", "1", "0 a NaN or Inf where golden is finite, 1 an alarm",
                       &MonitorRow::monitor},
    Column<MonitorRow>{"place", "1", "row of /points (monitor 0) or /guards (monitor 1)",
                       &MonitorRow::place},
};

inline constexpr std::array kDeviationColumns{
    Column<DeviationRow>{"trial", "1", "trial in which the point differs from the golden run",
                         &DeviationRow::trial},
    Column<DeviationRow>{"point", "1", "row of /points: a module output, or the final output",
                         &DeviationRow::point},
    Column<DeviationRow>{"differing", "1", "elements whose bits differ; two NaNs do not",
                         &DeviationRow::differing},
    Column<DeviationRow>{"nonfinite", "1",
                         "of these, NaN or Inf in one of the runs: left out of max_abs and rel_l2",
                         &DeviationRow::nonfinite},
    Column<DeviationRow>{"max_abs", "1", "largest |faulty - golden|", &DeviationRow::max_abs},
    Column<DeviationRow>{
        "rel_l2", "1", "Euclidean norm of faulty - golden over that of golden; Inf where that is 0",
        &DeviationRow::rel_l2},
};

inline constexpr std::array kGoldenColumns{
    Column<GoldenRow>{"variant", "1", "row of /variants: which network", &GoldenRow::variant},
    Column<GoldenRow>{"perturbation", "1", "row of /perturbations: what the image was under",
                      &GoldenRow::perturbation},
    Column<GoldenRow>{"sample", "1", "position of the sample in the subset", &GoldenRow::sample},
    Column<GoldenRow>{"sample_index", "1", "position of the sample in the data set",
                      &GoldenRow::sample_index},
    Column<GoldenRow>{"file", "1", "row of /files: where the sample was read from",
                      &GoldenRow::file},
    Column<GoldenRow>{"id", "1", "COCO's image id; elsewhere sample_index", &GoldenRow::id},
    Column<GoldenRow>{"height", "pixel", "height as stored", &GoldenRow::height},
    Column<GoldenRow>{"width", "pixel", "width as stored", &GoldenRow::width},
    Column<GoldenRow>{"content_hash", "1",
                      "first 8 bytes of SHA-256 of the bytes the sample was read from",
                      &GoldenRow::content_hash},
    Column<GoldenRow>{"label", "1", "true class; -1: the data set has no labels",
                      &GoldenRow::label},
    Column<GoldenRow>{"top1", "1", "top-1 class of the golden run", &GoldenRow::top1},
    Column<GoldenRow>{"label_rank", "1", "rank of the label among the golden scores, 0 = best",
                      &GoldenRow::label_rank},
    Column<GoldenRow>{"top1_probability", "1", "probability of the top-1 class",
                      &GoldenRow::top1_probability},
    Column<GoldenRow>{"alarm", "1",
                      "row of /guards: the first that raises an alarm without faults; -1: none",
                      &GoldenRow::alarm},
    Column<GoldenRow>{"alarms", "1", "guards that raise an alarm without faults",
                      &GoldenRow::alarms},
    Column<GoldenRow>{
        "skipped", "1",
        "the sample has no trials here: 1 golden output non-finite, 2 image unreadable",
        &GoldenRow::skipped},
    Column<GoldenRow>{"output_hash", "1",
                      "first 8 bytes of SHA-256 of the golden output, each NaN as 0x7fc00000",
                      &GoldenRow::output_hash},
};

}  // namespace bitquake::results
