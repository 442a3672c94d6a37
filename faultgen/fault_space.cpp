#include "faultgen/fault_space.hpp"

#include "suite/base/error.hpp"
#include "suite/base/text.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace bitquake::faultgen {

std::string_view to_string(SiteKind kind) {
  for (const auto& entry : kSiteKinds) {
    if (entry.kind == kind) return entry.name;
  }
  return "";
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
  return target == Target::weight ? site.weight_shape : site.output_shape;
}

std::uint64_t site_elements(const Site& site, Target target) {
  // Every call of a module reads the same weight: it is counted once. A weight that the network
  // computes is no parameter.
  if (target == Target::weight && (site.call > 0 || site.weight_shape.empty())) return 0;
  return element_count(tensor_shape(site, target));
}

FaultSpace::FaultSpace(std::vector<Site> sites, Target target)
    : sites_(std::move(sites)), target_(target) {
  starts_.reserve(sites_.size() + 1);
  starts_.push_back(0);
  for (std::uint32_t site = 0; site < sites_.size(); ++site) {
    const std::uint64_t count = site_elements(sites_[site], target_);
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
