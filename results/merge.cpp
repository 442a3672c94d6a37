#include "results/merge.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>
#include <utility>

namespace bitquake::results {
namespace {

/// "unit 3" or "units 3 to 5", for [first, end).
std::string units(std::uint64_t first, std::uint64_t end) {
  if (end - first == 1) return "unit " + std::to_string(first);
  return "units " + std::to_string(first) + " to " + std::to_string(end - 1);
}

Error gap(std::uint64_t first, std::uint64_t end) {
  return {Errc::results, "", units(first, end) + (end - first == 1 ? " is" : " are") + " missing",
          "run the campaign on, or add the missing shards", ""};
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

/// Sorts rows by their keys, stably. Those of a work unit are sorted: such runs are merged, so that
/// what is held in memory grows with their number only.
template <class Row, class Key>
void sort_by(BigVector<Row>& rows, Key key_of) {
  struct Run {
    std::uint64_t begin, next, end;
  };
  std::vector<Run> runs;
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    if (i == 0 || key_of(rows[i]) < key_of(rows[i - 1])) runs.push_back({i, i, i});
    runs.back().end = i + 1;
  }
  if (runs.size() < 2) return;
  const RandomReads reads(rows);
  const auto later = [&](const Run& a, const Run& b) {
    return std::pair(key_of(rows[a.next]), a.next) > std::pair(key_of(rows[b.next]), b.next);
  };
  std::make_heap(runs.begin(), runs.end(), later);
  constexpr std::uint64_t kAhead = std::uint64_t{32} << 20U;  // bytes, of all runs
  const std::uint64_t window = std::max<std::uint64_t>(64, kAhead / sizeof(Row) / runs.size());
  for (const Run& run : runs) rows.prefetch(run.next, window);
  BigVector<Row> sorted;
  while (!runs.empty()) {
    std::pop_heap(runs.begin(), runs.end(), later);
    Run& run = runs.back();
    if ((run.next - run.begin) % window == 0) rows.prefetch(run.next + window, window);
    sorted.push_back(rows[run.next]);
    if (++run.next == run.end) {
      runs.pop_back();
    } else {
      std::push_heap(runs.begin(), runs.end(), later);
    }
  }
  rows = std::move(sorted);
}

Result<Gathering> gather(const std::vector<std::filesystem::path>& files,
                         const Campaign& campaign) {
  Gathering all(campaign);
  for (const std::filesystem::path& file : files) {
    Result<Segment> segment = read_segment(file);
    if (!segment) return segment.error();
    if (auto added = all.add(file, std::move(*segment)); !added) return added.error();
  }
  return all;
}

}  // namespace

Result<std::monostate> Gathering::check_coverage(std::vector<Extent> extents,
                                                 std::uint64_t n_units) {
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

std::uint32_t Gathering::number_of(const std::string& text) {
  const auto [at, is_new] =
      numbers_.try_emplace(text, static_cast<std::uint32_t>(all_.messages.size()));
  if (is_new) all_.messages.push_back(text);
  return at->second;
}

/// Numbers messages by their first trial; unused ones are dropped.
void Gathering::renumber() {
  std::vector<std::string> ordered{""};
  std::vector<std::uint32_t> number(all_.messages.size(), 0);
  for (TrialRow& row : all_.trials) {
    if (row.message != kNoMessage && number[row.message] == 0) {
      number[row.message] = static_cast<std::uint32_t>(ordered.size());
      ordered.push_back(all_.messages[row.message]);
    }
    row.message = number[row.message];
  }
  all_.messages = std::move(ordered);
}

Result<std::monostate> Gathering::add(const std::filesystem::path& file, Segment segment) {
  if (auto fits = check_belongs(segment, all_.campaign, file.string()); !fits) return fits;
  extents_.push_back({segment.first_unit, segment.first_unit + segment.n_units, file.string()});
  std::vector<std::uint32_t> number;
  for (const std::string& text : segment.messages) number.push_back(number_of(text));
  for (TrialRow& row : segment.trials) row.message = number[row.message];
  all_.trials.append(segment.trials);
  all_.injections.append(segment.injections);
  all_.observed.append(segment.observed);
  all_.golden.insert(all_.golden.end(), segment.golden.begin(), segment.golden.end());
  return std::monostate{};
}

Trials Gathering::rows() && {
  sort_by(all_.trials, [](const TrialRow& row) { return row.trial; });
  sort_by(all_.injections, [](const InjectionRow& row) { return std::pair(row.trial, row.fault); });
  sort_by(all_.observed.monitors, [](const MonitorRow& row) { return row; });
  sort_by(all_.observed.deviations,
          [](const DeviationRow& row) { return std::pair(row.trial, row.point); });
  std::stable_sort(all_.golden.begin(), all_.golden.end(),
                   [](const GoldenRow& a, const GoldenRow& b) {
                     return std::pair(a.condition(), a.sample) < std::pair(b.condition(), b.sample);
                   });
  renumber();
  return std::move(all_);
}

Result<Trials> Gathering::whole(std::uint64_t n_units) && {
  if (auto covered = check_coverage(std::move(extents_), n_units); !covered) return covered.error();
  Trials all = std::move(*this).rows();
  if (auto checked = check_trials(all, "joined segments"); !checked) return checked.error();
  return all;
}

Result<Trials> gather_segments(const std::vector<std::filesystem::path>& segments,
                               const Campaign& campaign) {
  auto all = gather(segments, campaign);
  if (!all) return all.error();
  return std::move(*all).rows();
}

Result<Trials> join_segments(const std::vector<std::filesystem::path>& segments,
                             const Campaign& campaign, std::uint64_t n_units) {
  auto all = gather(segments, campaign);
  if (!all) return all.error();
  return std::move(*all).whole(n_units);
}

}  // namespace bitquake::results
