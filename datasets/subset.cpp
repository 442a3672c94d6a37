#include "datasets/dataset.hpp"
#include "suite/base/rng.hpp"

#include <numeric>
#include <utility>

namespace bitquake::datasets {
namespace {

/// `positions` of another data set, in that order.
class Subset final : public Dataset {
 public:
  Subset(std::shared_ptr<const Dataset> whole, std::vector<std::uint64_t> positions)
      : whole_(std::move(whole)), positions_(std::move(positions)) {}

  std::uint64_t size() const override { return positions_.size(); }
  Result<Sample> get(std::uint64_t i) const override { return whole_->get(positions_[i]); }
  std::optional<cv::Size> fixed_size() const override { return whole_->fixed_size(); }
  const std::vector<std::pair<std::string, std::string>>& checksums() const override {
    return whole_->checksums();
  }

 private:
  std::shared_ptr<const Dataset> whole_;
  std::vector<std::uint64_t> positions_;
};

/// The first `count` steps of a Fisher-Yates shuffle. Step i depends on the steps before it only,
/// so a smaller subset is the beginning of a larger one.
void shuffle_front(std::vector<std::uint64_t>& positions, std::uint64_t count, std::uint64_t seed) {
  Draws draws(seed, Stream::subset, 0);
  for (std::uint64_t i = 0; i < count; ++i) {
    std::swap(positions[i], positions[i + draws.below(positions.size() - i)]);
  }
}

}  // namespace

Result<std::shared_ptr<const Dataset>> subset(std::shared_ptr<const Dataset> whole,
                                              std::uint64_t count, Order order,
                                              std::uint64_t seed) {
  if (count == 0 || count > whole->size()) {
    return Error{Errc::data, "",
                 "a subset of " + std::to_string(count) +
                     " samples was asked for, the data set has " + std::to_string(whole->size()),
                 "ask for 1 to " + std::to_string(whole->size()) + " samples", ""};
  }
  std::vector<std::uint64_t> positions(order == Order::random ? whole->size() : count);
  std::iota(positions.begin(), positions.end(), std::uint64_t{0});
  if (order == Order::random) shuffle_front(positions, count, seed);
  positions.resize(count);
  positions.shrink_to_fit();
  return std::shared_ptr<const Dataset>(
      std::make_shared<Subset>(std::move(whole), std::move(positions)));
}

}  // namespace bitquake::datasets
