#include "augment/perturbation.hpp"
#include "faultgen/fault_model.hpp"
#include "metrics/interval.hpp"
#include "results/columns.hpp"
#include "suite/base/text.hpp"
#include "suite/cli/command.hpp"
#include "suite/scenario/schema.hpp"

#include <fmt/format.h>

#include <functional>
#include <iostream>
#include <memory>

namespace bitquake::cli {
namespace {

/// A registry as two left-aligned columns; the text is the last, so nothing is padded behind it.
template <class Registry>
std::string registry_text(const Registry& registry) {
  std::size_t width = 0;
  for (const auto& entry : registry) width = std::max(width, entry.name.size());
  std::string text;
  for (const auto& entry : registry) {
    text += fmt::format("{:<{}}  {}\n", entry.name, width, entry.doc);
  }
  return text;
}

std::string exit_codes_text() {
  std::string text;
  for (const ExitCodeDoc& entry : kExitCodes) {
    text += fmt::format("{:>3}  {}\n", static_cast<int>(entry.code), entry.doc);
  }
  return text;
}

std::string columns_text() {
  return "trials.h5: /trials\n" + registry_text(results::kTrialColumns) +
         "\ntrials.h5: /injections\n" + registry_text(results::kInjectionColumns) +
         "\ntrials.h5: /monitored\n" + registry_text(results::kMonitorColumns) +
         "\ntrials.h5: /deviations (deviation: on)\n" + registry_text(results::kDeviationColumns) +
         "\ntrials.h5: /golden\n" + registry_text(results::kGoldenColumns);
}

std::string values_text(const augment::Severities& values) {
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(fmt::format("{:.4g}", value));
  return fmt::format("{}", fmt::join(texts, " "));
}

std::string parameter_text(const augment::Parameter& parameter) {
  const std::string unit = parameter.unit.empty() ? "" : " " + parameter.unit;
  std::string text = fmt::format("      {}: {}; {}{} to {}{}\n", parameter.name, parameter.doc,
                                 parameter.integer ? "whole, " : "", shortest(parameter.min),
                                 shortest(parameter.max), unit);
  if (parameter.small) {
    text += fmt::format("        severity 1-5, small: {}\n", values_text(*parameter.small));
    return text + fmt::format("        severity 1-5, large: {}\n", values_text(parameter.large));
  }
  return text + fmt::format("        severity 1-5: {}\n", values_text(parameter.large));
}

/// What a kind does that is not plain from its name, in brackets.
std::string properties_text(const augment::Kind& kind) {
  std::vector<std::string_view> words;
  if (kind.random) words.emplace_back("random");
  if (kind.moves_boxes) words.emplace_back("moves boxes");
  if (!kind.takes_grey) words.emplace_back("colour only");
  if (!kind.takes_16_bit) words.emplace_back("8 bits only");
  return words.empty() ? "" : fmt::format(" [{}]", fmt::join(words, ", "));
}

std::string perturbations_text() {
  std::string text =
      "Written NAME/SEVERITY, severity 0 to 5, joined by '+', with values in place of the\n"
      "severity's in brackets: rotate/2+gaussian_noise/3[sigma=0.2;table=large]. Tables:\n" +
      registry_text(augment::kTables);
  for (const auto& group : augment::kGroups) {
    text += fmt::format("\n{}: {}\n", group.name, group.doc);
    for (const augment::Kind& kind : augment::kinds()) {
      if (kind.group != group.value) continue;
      text += fmt::format("  {}  {}{}\n", kind.name, kind.doc, properties_text(kind));
      for (const augment::Parameter& parameter : kind.parameters) text += parameter_text(parameter);
    }
  }
  return text;
}

struct Listing {
  std::string_view name, doc;
  std::string (*text)();
};

constexpr std::array kListings{
    Listing{"keys", "keys of a scenario file", scenario::keys_table},
    Listing{"fault-models", "values of faults.model",
            [] { return registry_text(faultgen::fault_models()); }},
    Listing{"targets", "values of faults.target", [] { return registry_text(faultgen::kTargets); }},
    Listing{"draws", "values of faults.draw", [] { return registry_text(faultgen::kDraws); }},
    Listing{"policies", "values of faults.policy",
            [] { return registry_text(faultgen::kPolicies); }},
    Listing{"perturbations", "values of augment: what each severity means", perturbations_text},
    Listing{"protections", "values of variants.protection",
            [] { return registry_text(scenario::kProtections); }},
    Listing{"run-types", "values of run_type", [] { return registry_text(faultgen::kRunTypes); }},
    Listing{"intervals", "values of statistics.interval",
            [] { return registry_text(metrics::kIntervalMethods); }},
    Listing{"columns", "columns of trials.h5", columns_text},
    Listing{"exit-codes", "exit codes of this command", exit_codes_text},
};

ExitCode list(const std::string& what) {
  if (what.empty()) {
    std::cout << "bitquake list WHAT, where WHAT is one of\n" << registry_text(kListings);
    return ExitCode::ok;
  }
  std::vector<std::string_view> names;
  for (const Listing& listing : kListings) {
    if (listing.name == what) {
      std::cout << listing.text();
      return ExitCode::ok;
    }
    names.push_back(listing.name);
  }
  const std::string_view near = did_you_mean(what, names);
  return report({Errc::usage, "list " + what, "there is no such list",
                 near.empty() ? fmt::format("one of: {}", fmt::join(names, ", "))
                              : fmt::format("did you mean '{}'?", near),
                 ""});
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto* sub = app.add_subcommand(
      "list", "list scenario keys, fault models, perturbations, exit codes and more");
  auto what = std::make_shared<std::string>();
  sub->add_option("WHAT", *what, "what to list (default: the lists there are)")->type_name("");
  sub->footer("Example:\n  bitquake list keys");
  sub->callback([what, &action] { action = [what] { return list(*what); }; });
}

}  // namespace bitquake::cli
