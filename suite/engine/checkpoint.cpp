#include "suite/engine/checkpoint.hpp"

#include "suite/base/durable.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace bitquake::engine {
namespace {

Error unusable(const std::filesystem::path& path, const std::string& reason) {
  return {Errc::usage, path.string(), "cannot be used as output directory: " + reason,
          "choose a directory that can be written, with -o", ""};
}

/// Whether nothing is of a campaign, but something is there. The log begins before the campaign.
bool holds_other_files(const std::filesystem::path& path) {
  std::error_code failed;
  const auto there = [&](const char* name) { return std::filesystem::exists(path / name, failed); };
  if (there(".lock") || there("run.json")) return false;
  const std::filesystem::directory_iterator files(path, failed);
  return std::any_of(begin(files), end(files), [](const std::filesystem::directory_entry& file) {
    return file.path().filename() != "log.txt";
  });
}

}  // namespace

Result<RunDirectory> RunDirectory::claim(const std::filesystem::path& path,
                                         const std::string& scenario) {
  std::error_code failed;
  if (holds_other_files(path)) return unusable(path, "it is no run directory, but holds files");
  std::filesystem::create_directories(path / "segments", failed);
  if (failed) return unusable(path, failed.message());
  const std::filesystem::path lock_path = path / ".lock";
  const int lock = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return unusable(path, std::strerror(errno));
  RunDirectory directory(path, lock);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    return Error{Errc::usage, path.string(), "is in use by another run",
                 "wait for it to end, or choose another directory with -o", ""};
  }
  const std::filesystem::path scenario_path = path / "scenario.yaml";
  if (!std::filesystem::exists(scenario_path)) {
    write_text_durably(scenario_path, scenario);
  } else if (const auto held = read_text(scenario_path, Errc::usage); !held) {
    return held.error();
  } else if (*held != scenario) {
    return Error{
        Errc::usage, path.string(), "holds the results of another scenario",
        "compare it with " + scenario_path.string() + ", or choose another directory with -o", ""};
  }
  return directory;
}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) close(lock_);
}

std::filesystem::path RunDirectory::segment_path(std::uint64_t first_unit) const {
  return path_ / "segments" / fmt::format("{:08}.h5", first_unit);
}

std::vector<std::filesystem::path> RunDirectory::segments() const {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(path_ / "segments")) {
    if (entry.path().extension() == ".h5") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Result<Finished> RunDirectory::finished(const results::Campaign& campaign, const Plan& plan) const {
  Finished found{results::Gathering(campaign), {}, {}};
  for (const auto& path : segments()) {
    auto segment = results::read_segment(path);
    if (!segment) return segment.error();
    if (segment->campaign != campaign.identity) {
      return Error{Errc::results, path.string(),
                   "was computed with another model, other data or other faults",
                   "restore those files, or choose another directory with -o", ""};
    }
    if (segment->fingerprint != campaign.fingerprint) {
      return Error{Errc::results, path.string(),
                   "was computed with other libraries or CPU instructions, whose last bits may "
                   "differ:\n" +
                       segment->fingerprint + "here:\n" + campaign.fingerprint,
                   "continue on the first machine, pin ATEN_CPU_CAPABILITY, DNNL_MAX_CPU_ISA, "
                   "OPENBLAS_CORETYPE and OPENCV_CPU_DISABLE, or choose another directory with -o",
                   ""};
    }
    if (path != segment_path(segment->first_unit)) {
      return Error{Errc::results, path.string(),
                   fmt::format("holds the units from {} on, which is not what its name says",
                               segment->first_unit),
                   "remove it: segments are named after their first unit", ""};
    }
    for (std::uint64_t i = 0; i < segment->n_units; ++i) {
      found.units.push_back(segment->first_unit + i);
    }
    found.trials += segment->trials.size();
    for (const auto& trial : segment->trials) ++found.outcomes[trial.outcome];
    const std::uint64_t end = segment->first_unit + segment->n_units;
    if (end % plan.units_per_segment() != 0 && end < plan.units()) {
      found.begun.push_back({path, std::move(*segment)});
    } else if (auto added = found.rows.add(path, std::move(*segment)); !added) {
      return added.error();
    }
  }
  std::sort(found.units.begin(), found.units.end());
  return found;
}

SegmentWriter::SegmentWriter(const RunDirectory& directory, const results::Campaign& campaign,
                             std::uint64_t units_per_segment, Finished finished)
    : directory_(directory),
      campaign_(campaign.identity),
      fingerprint_(campaign.fingerprint),
      units_per_segment_(units_per_segment),
      rows_(std::move(finished.rows)),
      begun_(std::move(finished.begun)) {}

void SegmentWriter::add(std::uint64_t unit, BigVector<results::TrialRow> trials,
                        BigVector<results::InjectionRow> injections, results::Observed observed,
                        std::vector<results::GoldenRow> golden,
                        const std::vector<std::string>& messages) {
  if (!open_) start(unit);
  results::Segment& segment = open_->segment;
  auto& dictionary = segment.messages;
  for (results::TrialRow& row : trials) {
    const std::string& text = messages[row.message];
    auto found = std::find(dictionary.begin(), dictionary.end(), text);
    if (found == dictionary.end()) found = dictionary.insert(found, text);
    row.message = static_cast<std::uint32_t>(found - dictionary.begin());
  }
  // A unit of many epochs is a segment to itself: its rows need no copy.
  if (segment.trials.empty()) {
    segment.trials = std::move(trials);
    segment.injections = std::move(injections);
    segment.observed = std::move(observed);
  } else {
    segment.trials.append(trials);
    segment.injections.append(injections);
    segment.observed.append(observed);
  }
  segment.golden.insert(segment.golden.end(), golden.begin(), golden.end());
  ++segment.n_units;
  if ((unit + 1) % units_per_segment_ == 0) flush();
}

void SegmentWriter::flush() {
  if (!open_) return;
  results::write_segment(open_->file, open_->segment);
  value_or_throw(rows_.add(open_->file, std::move(open_->segment)));
  open_.reset();
}

void SegmentWriter::start(std::uint64_t unit) {
  const std::uint64_t first_unit = unit - unit % units_per_segment_;
  open_.emplace();
  open_->file = directory_.segment_path(first_unit);
  if (unit != first_unit) {
    const auto held = std::find_if(begun_.begin(), begun_.end(), [&](const auto& stored) {
      return stored.segment.first_unit == first_unit;
    });
    if (held == begun_.end()) {
      throw Exception({Errc::results, open_->file.string(),
                       "is missing: other segments end inside it",
                       "continue with the version of Bitquake that began, or choose another "
                       "directory with -o",
                       ""});
    }
    *open_ = std::move(*held);
    begun_.erase(held);
    return;
  }
  open_->segment.first_unit = first_unit;
  open_->segment.campaign = campaign_;
  open_->segment.fingerprint = fingerprint_;
}

}  // namespace bitquake::engine
