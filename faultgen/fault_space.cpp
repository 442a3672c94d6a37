#include "faultgen/fault_space.hpp"

#include "faultgen/fault_model.hpp"
#include "suite/base/error.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <cassert>
#include <optional>
#include <regex>
#include <utility>

namespace bitquake::faultgen {

std::string_view to_string(SiteKind kind) { return name_of(kSiteKinds, kind); }

bool is_default_kind(SiteKind kind, Target target) {
  switch (target) {
    case Target::running_mean:
    case Target::running_var:
      return kind == SiteKind::batch_norm;
    case Target::network_input:
      return kind == SiteKind::input;
    default:
      return kind <= SiteKind::linear;
  }
}

std::string site_name(const Site& site) {
  return site.call == 0 ? site.path : site.path + "#" + std::to_string(site.call);
}

std::uint64_t element_count(const std::vector<std::int64_t>& shape) {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(size), &count)) {
      throw Exception(
          {Errc::internal, "", "tensor shape " + shape_text(shape) + " cannot be counted", "", ""});
    }
  }
  return count;
}

std::vector<std::int64_t> element_index(const std::vector<std::int64_t>& shape,
                                        std::uint64_t element) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    const auto size = static_cast<std::uint64_t>(shape[i]);
    assert(size > 0);
    index[i] = static_cast<std::int64_t>(element % size);
    element /= size;
  }
  assert(element == 0);
  return index;
}

const std::vector<std::int64_t>& tensor_shape(const Site& site, Target target) {
  switch (target) {
    case Target::weight:
      return site.weight_shape;
    case Target::bias:
      return site.bias_shape;
    case Target::running_mean:
    case Target::running_var:
      return site.stats_shape;
    case Target::site_input:
      return site.input_shape;
    case Target::neuron:
    case Target::network_input:
      return site.output_shape;
  }
  throw Exception({Errc::internal, "", "no such target", "", ""});
}

std::uint64_t site_elements(const Site& site, Target target) {
  // Every call of a module reads the same weight: it is counted once. A weight that the network
  // computes is no parameter.
  const auto& shape = tensor_shape(site, target);
  if (is_parameter(target) && (site.call > 0 || shape.empty())) return 0;
  if (target == Target::site_input && shape.empty()) return 0;
  const bool is_input = site.kind == SiteKind::input;
  if (target == Target::network_input && !is_input) return 0;
  if (target == Target::neuron && (is_input || site.kind == SiteKind::recurrent_weight)) return 0;
  return element_count(shape);
}

namespace {

bool matches_glob(std::string_view pattern, std::string_view name) {
  // Greedy, with one place to come back to: the last star.
  std::size_t p = 0, n = 0, star = std::string_view::npos, after_star = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++p;
      ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      after_star = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

Error no_site(const std::string& what, const std::vector<Site>& sites) {
  std::string names;
  constexpr std::size_t kMost = 8;
  for (std::size_t i = 0; i < sites.size() && i < kMost; ++i) {
    names += (i == 0 ? "" : ", ") + site_name(sites[i]);
  }
  if (sites.size() > kMost) names += ", …";
  return {Errc::fault_set, "", what,
          "`bitquake model info` shows the sites: " + (names.empty() ? "none" : names), ""};
}

/// Marks what a part of a selection names among sites with elements; an error when that is nothing.
template <class Names>
std::optional<Error> mark(const std::vector<Site>& sites, Target target, const std::string& part,
                          std::vector<bool>& marks, Names names) {
  bool any = false;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (!names(i)) continue;
    marks[i] = true;
    any = any || site_elements(sites[i], target) > 0;
  }
  if (any) return std::nullopt;
  return no_site(part + " names no site with " + std::string(name_of(kTargets, target)), sites);
}

}  // namespace

bool matches(const std::string& pattern, const std::string& name) {
  const bool is_regex = pattern.size() >= 2 && pattern.front() == '/' && pattern.back() == '/';
  if (!is_regex) return matches_glob(pattern, name);
  return std::regex_search(name, std::regex(pattern.substr(1, pattern.size() - 2)));
}

Result<std::vector<bool>> select_sites(const std::vector<Site>& sites, Target target,
                                       const SiteSelection& selection) {
  const std::size_t n = sites.size();
  std::vector<bool> kinds(n), included(n), excluded(n), indices(n);
  const auto by_pattern = [&](const std::vector<std::string>& patterns, const char* key,
                              std::vector<bool>& marks) -> std::optional<Error> {
    for (const std::string& pattern : patterns) {
      auto failed = mark(sites, target, std::string(key) + " '" + pattern + "'", marks,
                         [&](std::size_t i) { return matches(pattern, site_name(sites[i])); });
      if (failed) return failed;
    }
    return std::nullopt;
  };
  for (std::size_t i = 0; i < n && selection.kinds.empty(); ++i) {
    kinds[i] = is_default_kind(sites[i].kind, target);
  }
  for (const SiteKind kind : selection.kinds) {
    const auto failed = mark(sites, target, "faults.kinds '" + std::string(to_string(kind)) + "'",
                             kinds, [&](std::size_t i) { return sites[i].kind == kind; });
    if (failed) return *failed;
  }
  if (const auto failed = by_pattern(selection.include, "faults.include", included)) return *failed;
  if (const auto failed = by_pattern(selection.exclude, "faults.exclude", excluded)) return *failed;
  for (const auto& [first, last] : selection.indices) {
    const std::string text =
        "faults.indices '" + std::to_string(first) + "-" + std::to_string(last) + "'";
    if (last >= n) {
      return no_site(text + ": the model has the sites 0 to " + std::to_string(n - 1), sites);
    }
    const auto failed = mark(sites, target, text, indices, [first = first, last = last](auto i) {
      return i >= first && i <= last;
    });
    if (failed) return *failed;
  }
  std::vector<bool> chosen(n);
  for (std::size_t i = 0; i < n; ++i) {
    chosen[i] = kinds[i] && !excluded[i] && (selection.include.empty() || included[i]) &&
                (selection.indices.empty() || indices[i]);
  }
  return chosen;
}

FaultSpace::FaultSpace(std::vector<Site> sites, Target target, const std::vector<bool>& chosen)
    : sites_(std::move(sites)), target_(target) {
  assert(chosen.empty() || chosen.size() == sites_.size());
  starts_.reserve(sites_.size() + 1);
  starts_.push_back(0);
  for (std::uint32_t site = 0; site < sites_.size(); ++site) {
    const bool wanted = chosen.empty() || chosen[site];
    const std::uint64_t count = wanted ? site_elements(sites_[site], target_) : 0;
    if (count > 0) active_.push_back(site);
    std::uint64_t end = 0;
    if (__builtin_add_overflow(starts_.back(), count, &end)) {
      throw Exception({Errc::internal, "", "the fault space has 2^64 elements or more", "", ""});
    }
    starts_.push_back(end);
  }
}

std::uint64_t FaultSpace::elements(std::uint32_t site) const {
  assert(site < sites_.size());
  return starts_[site + 1] - starts_[site];
}

FaultSpace::Location FaultSpace::locate(std::uint64_t position) const {
  assert(position < total_elements());
  // The last site that starts at or before the position; sites without elements end where they
  // start.
  const auto next = std::upper_bound(starts_.begin(), starts_.end(), position);
  const auto site = static_cast<std::uint32_t>(next - starts_.begin() - 1);
  return {site, position - starts_[site]};
}

}  // namespace bitquake::faultgen
