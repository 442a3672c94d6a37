#include "datasets/dataset.hpp"
#include "datasets/held_images.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace bitquake::datasets {
namespace {

/// `positions` of another data set, in that order.
class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> whole, std::vector<std::uint64_t> positions,
         std::vector<std::pair<std::string, std::string>> checksums)
      : whole_(std::move(whole)),
        positions_(std::move(positions)),
        checksums_(std::move(checksums)) {
    const std::vector<std::string> names = whole_->files();
    if (names.size() == 1) {
      files_ = names;
      numbers_ = {0};
      return;
    }
    // Files that are used, in the order of their first sample.
    numbers_.assign(names.size(), kUnused);
    for (const std::uint64_t position : positions_) {
      std::uint32_t& number = numbers_[whole_->entry(position).file_number];
      if (number != kUnused) continue;
      number = static_cast<std::uint32_t>(files_.size());
      files_.push_back(names[whole_->entry(position).file_number]);
    }
  }

  std::uint64_t size() const override { return positions_.size(); }
  Result<Sample> get(std::uint64_t i) const override {
    auto sample = whole_->get(positions_[i]);
    if (sample) sample->file_number = numbers_[sample->file_number];
    return sample;
  }
  std::optional<cv::Size> fixed_size() const override { return whole_->fixed_size(); }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return checksums_;
  }
  Entry entry(std::uint64_t i) const override {
    Entry entry = whole_->entry(positions_[i]);
    entry.file_number = numbers_[entry.file_number];
    return entry;
  }
  std::vector<std::string> files() const override { return files_; }
  Result<std::uint64_t> content_hash(std::uint64_t i) const override {
    return whole_->content_hash(positions_[i]);
  }
  const std::vector<Category>& categories() const override { return whole_->categories(); }
  bool perturbed() const override { return whole_->perturbed(); }

 private:
  static constexpr std::uint32_t kUnused = std::numeric_limits<std::uint32_t>::max();

  std::shared_ptr<const Dataset> whole_;
  std::vector<std::uint64_t> positions_;
  std::vector<std::pair<std::string, std::string>> checksums_;
  std::vector<std::string> files_;
  std::vector<std::uint32_t> numbers_;  ///< by file of the whole: row of files_
};

OpenedDataset make(std::shared_ptr<const Dataset> whole, std::vector<std::uint64_t> positions) {
  positions.shrink_to_fit();
  auto checksums = whole->checksums();
  return std::shared_ptr<const Dataset>(
      std::make_shared<Subset>(std::move(whole), std::move(positions), std::move(checksums)));
}

/// The first `count` steps of a Fisher-Yates shuffle. Step i depends on the steps before it only,
/// so a smaller subset is the beginning of a larger one.
void shuffle_front(std::vector<std::uint64_t>& positions, std::uint64_t count, Draws draws) {
  for (std::uint64_t i = 0; i < count; ++i) {
    std::swap(positions[i], positions[i + draws.below(positions.size() - i)]);
  }
}

/// How many samples each stratum has when `count` of `total` are shared out in proportion.
/// Source: Hamilton's method of largest remainders.
std::vector<std::uint64_t> shares(const std::vector<std::uint64_t>& sizes, std::uint64_t count,
                                  std::uint64_t total) {
  std::vector<std::uint64_t> share;
  std::vector<std::pair<std::uint64_t, std::size_t>> left;  // ordered by what makes it first
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto product = static_cast<unsigned __int128>(sizes[i]) * count;
    share.push_back(static_cast<std::uint64_t>(product / total));
    given += share.back();
    left.emplace_back(total - static_cast<std::uint64_t>(product % total), i);
  }
  std::sort(left.begin(), left.end());
  for (std::size_t i = 0; given < count; ++i, ++given) ++share[left[i].second];
  return share;
}

Result<std::vector<std::uint64_t>> stratified(const Dataset& whole, std::uint64_t count,
                                              std::uint64_t seed) {
  std::map<std::int64_t, std::vector<std::uint64_t>> classes;
  for (std::uint64_t i = 0; i < whole.size(); ++i) {
    const auto label = whole.entry(i).label;
    if (!label) {
      return Error{Errc::data, "", "a stratified subset needs labels, and the data set has none",
                   "give labels, or set data.order: random", ""};
    }
    classes[*label].push_back(i);
  }
  std::vector<std::uint64_t> sizes;
  for (const auto& [label, members] : classes) sizes.push_back(members.size());
  const std::vector<std::uint64_t> share = shares(sizes, count, whole.size());
  std::vector<std::uint64_t> positions;
  std::size_t next = 0;
  for (auto& [label, members] : classes) {
    const std::uint64_t wanted = share[next++];
    // Ids of their own: the draw of a class does not depend on the others.
    const auto id = static_cast<std::uint64_t>(label) + 1;
    shuffle_front(members, wanted, Draws(seed, Stream::subset, id));
    positions.insert(positions.end(), members.begin(),
                     members.begin() + static_cast<std::ptrdiff_t>(wanted));
  }
  std::sort(positions.begin(), positions.end());
  return positions;
}

}  // namespace

OpenedDataset subset(std::shared_ptr<const Dataset> whole, std::uint64_t count, Order order,
                     std::uint64_t seed) {
  if (count == 0 || count > whole->size()) {
    return Error{Errc::data, "data.samples",
                 "a subset of " + std::to_string(count) +
                     " samples was asked for, the data set has " + std::to_string(whole->size()),
                 "ask for 1 to " + std::to_string(whole->size()) + " samples", ""};
  }
  if (order == Order::stratified) {
    auto positions = stratified(*whole, count, seed);
    if (!positions) return positions.error();
    return make(std::move(whole), std::move(*positions));
  }
  std::vector<std::uint64_t> positions(order == Order::random ? whole->size() : count);
  std::iota(positions.begin(), positions.end(), std::uint64_t{0});
  if (order == Order::random) shuffle_front(positions, count, Draws(seed, Stream::subset, 0));
  positions.resize(count);
  return make(std::move(whole), std::move(positions));
}

namespace {

/// Where the samples with these ids are.
Result<std::vector<std::uint64_t>> positions_of(const Dataset& whole,
                                                const std::vector<std::uint64_t>& ids,
                                                const std::string& where) {
  const auto refuse = [&](std::string what) {
    return Error{Errc::data, where, std::move(what),
                 "an id is COCO's image id; elsewhere the position in the data set, from 0", ""};
  };
  if (ids.empty()) return refuse("no ids were given");
  std::unordered_map<std::uint64_t, std::uint64_t> position_of;
  for (std::uint64_t i = 0; i < whole.size(); ++i) position_of.emplace(whole.entry(i).id, i);
  std::vector<std::uint64_t> positions;
  std::vector<bool> taken(whole.size());
  for (const std::uint64_t id : ids) {
    const auto found = position_of.find(id);
    if (found == position_of.end()) return refuse(fmt::format("the data set has no sample {}", id));
    if (taken[found->second]) return refuse(fmt::format("sample {} is given twice", id));
    taken[found->second] = true;
    positions.push_back(found->second);
  }
  return positions;
}

Result<std::vector<std::uint64_t>> read_ids(const std::filesystem::path& path) {
  const auto lines = read_lines(path);
  if (!lines) return lines.error();
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < lines->size(); ++i) {
    const std::string& line = (*lines)[i];
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    const std::string text = line.substr(begin, line.find_last_not_of(" \t") - begin + 1);
    const auto id = to_number<std::uint64_t>(text);
    if (!id) {
      return Error{Errc::data, fmt::format("{}:{}", path.string(), i + 1),
                   in_quotes(text) + " is no number", "write one id a line", ""};
    }
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace

OpenedDataset select(std::shared_ptr<const Dataset> whole, const std::vector<std::uint64_t>& ids) {
  auto positions = positions_of(*whole, ids, "");
  if (!positions) return positions.error();
  return make(std::move(whole), std::move(*positions));
}

OpenedDataset select(std::shared_ptr<const Dataset> whole, const std::filesystem::path& ids_file) {
  const auto ids = read_ids(ids_file);
  if (!ids) return ids.error();
  auto positions = positions_of(*whole, *ids, ids_file.string());
  if (!positions) return positions.error();
  auto checksum = checksum_of(ids_file);
  if (!checksum) return checksum.error();
  auto checksums = whole->checksums();
  checksums.push_back(std::move(*checksum));
  return std::shared_ptr<const Dataset>(
      std::make_shared<Subset>(std::move(whole), std::move(*positions), std::move(checksums)));
}

}  // namespace bitquake::datasets
