#include "results/merge.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>
#include <type_traits>
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

/// Sorts rows by their keys. Rows are large: what is sorted is small.
template <class Row, class Key>
void sort_by(std::vector<Row>& rows, Key key_of) {
  using Place = std::pair<std::invoke_result_t<Key, const Row&>, std::uint64_t>;
  std::vector<Place> places;
  places.reserve(rows.size());
  for (const Row& row : rows) places.emplace_back(key_of(row), places.size());
  if (std::is_sorted(places.begin(), places.end())) return;
  std::sort(places.begin(), places.end());
  std::vector<Row> sorted;
  sorted.reserve(rows.size());
  for (const Place& place : places) sorted.push_back(rows[place.second]);
  rows = std::move(sorted);
}

void sort_rows(Trials& all) {
  sort_by(all.trials, [](const TrialRow& row) { return row.trial; });
  sort_by(all.injections, [](const InjectionRow& row) { return std::pair(row.trial, row.fault); });
  sort_by(all.golden, [](const GoldenRow& row) { return row.sample; });
}

/// Gathers segments one by one.
class Gathering {
 public:
  explicit Gathering(const Campaign& campaign) { all_.campaign = campaign; }

  Result<std::monostate> add(StoredSegment stored) {
    auto& [file, segment] = stored;
    if (auto fits = check_belongs(segment, all_.campaign, file.string()); !fits) return fits;
    extents_.push_back({segment.first_unit, segment.first_unit + segment.n_units, file.string()});
    append(all_, messages_, std::move(segment));
    return std::monostate{};
  }
  Result<std::monostate> add(const std::filesystem::path& file) {
    Result<Segment> segment = read_segment(file);
    if (!segment) return segment.error();
    return add(StoredSegment{file, std::move(segment).value()});
  }

  Trials rows() && {
    sort_rows(all_);
    all_.messages = messages_.renumber(all_.trials);
    return std::move(all_);
  }
  /// Rows that are proven to be whole.
  Result<Trials> whole(std::uint64_t n_units) && {
    if (auto covered = check_coverage(std::move(extents_), n_units); !covered) {
      return covered.error();
    }
    Trials all = std::move(*this).rows();
    if (auto checked = check_trials(all, "joined segments"); !checked) return checked.error();
    return all;
  }

 private:
  Trials all_;
  Messages messages_;
  std::vector<Extent> extents_;
};

/// Takes segments, or the paths of their files.
template <class Segments>
Result<Gathering> gather(Segments segments, const Campaign& campaign) {
  Gathering all(campaign);
  for (auto& segment : segments) {
    if (auto added = all.add(std::move(segment)); !added) return added.error();
  }
  return all;
}

}  // namespace

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

Result<Trials> join_segments(std::vector<StoredSegment> segments, const Campaign& campaign,
                             std::uint64_t n_units) {
  auto all = gather(std::move(segments), campaign);
  if (!all) return all.error();
  return std::move(*all).whole(n_units);
}

}  // namespace bitquake::results
