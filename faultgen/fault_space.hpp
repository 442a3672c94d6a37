#pragma once

#include "faultgen/fault.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake::faultgen {

enum class SiteKind : std::uint8_t { conv1d, conv2d, conv3d, linear };

struct SiteKindName {
  SiteKind kind;
  std::string_view name;
};

/// Names as they stand in fault sets and tables; every enumerator is registered.
inline constexpr std::array kSiteKinds{
    SiteKindName{SiteKind::conv1d, "conv1d"},
    SiteKindName{SiteKind::conv2d, "conv2d"},
    SiteKindName{SiteKind::conv3d, "conv3d"},
    SiteKindName{SiteKind::linear, "linear"},
};

/// "conv2d" and so on.
std::string_view to_string(SiteKind kind);

/// One injectable operation instance of a model. Sites are listed in execution order.
struct Site {
  std::string path;        ///< module path, such as "layer3.0.conv1"
  std::uint32_t call = 0;  ///< 0 for the first call of the module, 1 for the second, …
  SiteKind kind = SiteKind::conv2d;
  /// As stored: [out, in/groups, kh, kw], [out, in]; empty when the weight is computed, no
  /// parameter.
  std::vector<std::int64_t> weight_shape;
  std::vector<std::int64_t> output_shape;  ///< without the batch dimension

  bool operator==(const Site&) const = default;
};

/// "layer3.0.conv1", with "#1" behind it for the second call and so on.
std::string site_name(const Site& site);

/// Product of the dimensions; 1 for an empty shape. Throws Exception (internal) when a dimension is
/// negative or the product does not fit 64 bits.
std::uint64_t element_count(const std::vector<std::int64_t>& shape);

/// Shape of the tensor that faults of `target` hit at this site.
const std::vector<std::int64_t>& tensor_shape(const Site& site, Target target);

/// Elements that faults of `target` can hit at this site: those of its tensor, but 0 for the weight
/// of a repeated call, which belongs to the first call, and for a site whose weight is no
/// parameter. Throws as element_count.
std::uint64_t site_elements(const Site& site, Target target);

/// Row-major position -> index tuple of the shape's rank, such as [k,c,kh,kw] or [c,h,w].
/// @pre element < element_count(shape)
std::vector<std::int64_t> element_index(const std::vector<std::int64_t>& shape,
                                        std::uint64_t element);

/// All elements that faults of one target can hit: the population a campaign draws from.
class FaultSpace {
 public:
  /// Weight faults: a module called several times has several neuron sites and one weight site, its
  /// first call. Throws Exception (internal) when the elements do not fit 64 bits.
  FaultSpace(std::vector<Site> sites, Target target);

  const std::vector<Site>& sites() const { return sites_; }
  Target target() const { return target_; }

  /// Elements of one site; 0 where the target has none there (weights of a repeated call).
  std::uint64_t elements(std::uint32_t site) const;
  std::uint64_t total_elements() const { return starts_.back(); }
  /// Sites with at least one element, in order.
  const std::vector<std::uint32_t>& active_sites() const { return active_; }

  struct Location {
    std::uint32_t site;
    std::uint64_t element;
  };
  /// The `position`-th element of the space, position < total_elements().
  Location locate(std::uint64_t position) const;

 private:
  std::vector<Site> sites_;
  Target target_;
  std::vector<std::uint64_t> starts_;  ///< sites_.size() + 1 prefix sums of elements
  std::vector<std::uint32_t> active_;
};

}  // namespace bitquake::faultgen
