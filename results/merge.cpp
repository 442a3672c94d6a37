#include "results/merge.hpp"

#include "results/segment.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>
#include <utility>

namespace bitquake::results {
namespace {

/// The work units a segment file covers.
struct Extent {
  std::uint64_t first = 0, end = 0;
  std::string file;
};

/// "unit 3" or "units 3 to 5", for [first, end).
std::string units(std::uint64_t first, std::uint64_t end) {
  if (end - first == 1) return "unit " + std::to_string(first);
  return "units " + std::to_string(first) + " to " + std::to_string(end - 1);
}

Error gap(std::uint64_t first, std::uint64_t end) {
  return {Errc::results, "", units(first, end) + (end - first == 1 ? " is" : " are") + " missing",
          "run the campaign on, or add the missing shards", ""};
}

Result<std::monostate> check_coverage(std::vector<Extent> extents, std::uint64_t n_units) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::tie(a.first, a.end, a.file) < std::tie(b.first, b.end, b.file);
  });
  std::uint64_t covered = 0;
  const Extent* last = nullptr;
  for (const Extent& extent : extents) {
    if (extent.end > n_units) {
      return Error{Errc::results, extent.file,
                   "holds " + units(extent.first, extent.end) + ", the campaign has " +
                       std::to_string(n_units),
                   "the segment belongs to another campaign", ""};
    }
    if (extent.first < covered) {
      return Error{Errc::results, extent.file,
                   units(extent.first, std::min(covered, extent.end)) +
                       (std::min(covered, extent.end) - extent.first == 1 ? " is" : " are") +
                       " also in " + last->file,
                   "give every shard once", ""};
    }
    if (extent.first > covered) return gap(covered, extent.first);
    covered = extent.end;
    last = &extent;
  }
  if (covered < n_units) return gap(covered, n_units);
  return std::monostate{};
}

/// First line in which two fingerprints differ, as "a, here b".
std::string first_difference(const std::string& theirs, const std::string& ours) {
  std::istringstream a(theirs);
  std::istringstream b(ours);
  std::string line_a;
  std::string line_b;
  do {
    line_a.clear();
    line_b.clear();
    std::getline(a, line_a);
    std::getline(b, line_b);
  } while (line_a == line_b && (a || b));
  return "'" + line_a + "', wanted '" + line_b + "'";
}

Result<std::monostate> check_belongs(const Segment& segment, const Campaign& campaign,
                                     const std::string& file) {
  if (segment.campaign != campaign.identity) {
    return Error{Errc::results, file, "belongs to another campaign (" + segment.campaign + ")",
                 "join segments of one scenario, model, data set and fault set only", ""};
  }
  if (segment.fingerprint != campaign.fingerprint) {
    return Error{Errc::results, file,
                 "was computed with other numerics: " +
                     first_difference(segment.fingerprint, campaign.fingerprint),
                 "use the same libraries, and pin the instruction sets with DNNL_MAX_CPU_ISA, "
                 "OPENBLAS_CORETYPE and ATEN_CPU_CAPABILITY",
                 ""};
  }
  return std::monostate{};
}

/// Collects messages from many dictionaries; numbers are provisional until `renumber`.
class Messages {
 public:
  std::uint32_t number_of(const std::string& text) {
    const auto next = static_cast<std::uint32_t>(texts_.size());
    const auto [at, is_new] = numbers_.try_emplace(text, next);
    if (is_new) texts_.push_back(text);
    return at->second;
  }

  /// Numbers messages by their first trial and returns them; unused ones are dropped.
  std::vector<std::string> renumber(std::vector<TrialRow>& trials) const {
    std::vector<std::string> ordered{""};
    std::vector<std::uint32_t> number(texts_.size(), 0);
    for (TrialRow& row : trials) {
      if (row.message != kNoMessage && number[row.message] == 0) {
        number[row.message] = static_cast<std::uint32_t>(ordered.size());
        ordered.push_back(texts_[row.message]);
      }
      row.message = number[row.message];
    }
    return ordered;
  }

 private:
  std::vector<std::string> texts_{""};
  std::map<std::string, std::uint32_t> numbers_{{"", 0}};
};

void append(Trials& all, Messages& messages, Segment segment) {
  std::vector<std::uint32_t> number;
  for (const std::string& text : segment.messages) number.push_back(messages.number_of(text));
  for (TrialRow& row : segment.trials) row.message = number[row.message];
  all.trials.insert(all.trials.end(), segment.trials.begin(), segment.trials.end());
  all.injections.insert(all.injections.end(), segment.injections.begin(), segment.injections.end());
  all.golden.insert(all.golden.end(), segment.golden.begin(), segment.golden.end());
}

void sort_rows(Trials& all) {
  std::sort(all.trials.begin(), all.trials.end(),
            [](const TrialRow& a, const TrialRow& b) { return a.trial < b.trial; });
  std::sort(all.injections.begin(), all.injections.end(),
            [](const InjectionRow& a, const InjectionRow& b) {
              return std::tie(a.trial, a.fault) < std::tie(b.trial, b.fault);
            });
  std::sort(all.golden.begin(), all.golden.end(),
            [](const GoldenRow& a, const GoldenRow& b) { return a.sample < b.sample; });
}

Result<Trials> gather(const std::vector<std::filesystem::path>& segments, const Campaign& campaign,
                      std::vector<Extent>& extents) {
  Trials all;
  all.campaign = campaign;
  Messages messages;
  for (const std::filesystem::path& path : segments) {
    Result<Segment> segment = read_segment(path);
    if (!segment) return std::move(segment).error();
    if (auto fits = check_belongs(*segment, campaign, path.string()); !fits) return fits.error();
    extents.push_back({segment->first_unit, segment->first_unit + segment->n_units, path.string()});
    append(all, messages, std::move(segment).value());
  }
  sort_rows(all);
  all.messages = messages.renumber(all.trials);
  return all;
}

}  // namespace

Result<Trials> gather_segments(const std::vector<std::filesystem::path>& segments,
                               const Campaign& campaign) {
  std::vector<Extent> extents;
  return gather(segments, campaign, extents);
}

Result<Trials> join_segments(const std::vector<std::filesystem::path>& segments,
                             const Campaign& campaign, std::uint64_t n_units) {
  std::vector<Extent> extents;
  Result<Trials> all = gather(segments, campaign, extents);
  if (!all) return all;
  if (auto covered = check_coverage(std::move(extents), n_units); !covered) return covered.error();
  if (auto checked = check_trials(*all, "joined segments"); !checked) return checked.error();
  return all;
}

}  // namespace bitquake::results
