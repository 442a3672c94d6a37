#include "datasets/dataset.hpp"

namespace bitquake::datasets {

Entry Dataset::entry(std::uint64_t i) const {
  const Sample sample = value_or_throw(get(i));
  return {sample.file_number, sample.index, sample.id, sample.label};
}

std::vector<std::string> Dataset::files() const {
  return {std::filesystem::path(value_or_throw(get(0)).file).filename().string()};
}

Result<std::uint64_t> Dataset::content_hash(std::uint64_t i) const {
  const auto sample = get(i);
  if (!sample) return sample.error();
  return sample->content_hash;
}

const std::vector<Category>& Dataset::categories() const {
  static const std::vector<Category> none;
  return none;
}

}  // namespace bitquake::datasets
