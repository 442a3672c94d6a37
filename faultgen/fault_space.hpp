#pragma once

#include "faultgen/fault.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bitquake::faultgen {

/// The operation of a site. Kinds up to `linear` are those that faults hit unless the scenario says
/// otherwise.
enum class SiteKind : std::uint8_t {
  conv1d,
  conv2d,
  conv3d,
  conv_transpose1d,
  conv_transpose2d,
  conv_transpose3d,
  linear,
  matmul,
  embedding,
  lstm,
  gru,
  recurrent_weight,
  batch_norm,
  layer_norm,
  activation,
  attention,
  transformer_layer,
  input,
};

/// Names as they stand in scenarios, fault sets and tables; every enumerator is registered.
inline constexpr std::array kSiteKinds{
    Named<SiteKind>{SiteKind::conv1d, "conv1d", "1-D convolution"},
    Named<SiteKind>{SiteKind::conv2d, "conv2d", "2-D convolution"},
    Named<SiteKind>{SiteKind::conv3d, "conv3d", "3-D convolution"},
    Named<SiteKind>{SiteKind::conv_transpose1d, "conv_transpose1d", "1-D transposed convolution"},
    Named<SiteKind>{SiteKind::conv_transpose2d, "conv_transpose2d", "2-D transposed convolution"},
    Named<SiteKind>{SiteKind::conv_transpose3d, "conv_transpose3d", "3-D transposed convolution"},
    Named<SiteKind>{SiteKind::linear, "linear", "linear layer"},
    Named<SiteKind>{SiteKind::matmul, "matmul",
                    "product of computed matrices: matmul, bmm, baddbmm"},
    Named<SiteKind>{SiteKind::embedding, "embedding", "table lookup"},
    Named<SiteKind>{SiteKind::lstm, "lstm", "output of an LSTM"},
    Named<SiteKind>{SiteKind::gru, "gru", "output of a GRU"},
    Named<SiteKind>{SiteKind::recurrent_weight, "recurrent_weight",
                    "a weight of an LSTM or GRU; it has no output of its own"},
    Named<SiteKind>{SiteKind::batch_norm, "batch_norm", "batch normalisation"},
    Named<SiteKind>{SiteKind::layer_norm, "layer_norm", "layer normalisation"},
    Named<SiteKind>{SiteKind::activation, "activation", "activation function: ReLU and its like"},
    Named<SiteKind>{SiteKind::attention, "attention", "fused scaled dot-product attention"},
    Named<SiteKind>{SiteKind::transformer_layer, "transformer_layer",
                    "fused transformer encoder layer"},
    Named<SiteKind>{SiteKind::input, "input", "what the network reads"},
};

/// "conv2d" and so on.
std::string_view to_string(SiteKind kind);

/// Whether faults of `target` hit sites of this kind when the scenario names no kinds: convolutions
/// and linear layers; for stored statistics batch norms; for the network's input that.
bool is_default_kind(SiteKind kind, Target target);

/// One injectable operation instance of a model. Sites are listed in execution order.
struct Site {
  std::string path;        ///< module path, such as "layer3.0.conv1"
  std::uint32_t call = 0;  ///< 0 for the first call of the module, 1 for the second, …
  SiteKind kind = SiteKind::conv2d;
  /// As stored: [out, in/groups, kh, kw], [out, in]; empty when the weight is computed, no
  /// parameter, or there is none. So for the other parameters.
  std::vector<std::int64_t> weight_shape;
  std::vector<std::int64_t> output_shape;  ///< without the batch dimension
  std::vector<std::int64_t> bias_shape{};
  std::vector<std::int64_t> stats_shape{};  ///< of the stored mean and of the stored variance
  std::vector<std::int64_t> input_shape{};  ///< without the batch dimension; empty: not injectable

  bool operator==(const Site&) const = default;
};

/// "layer3.0.conv1", with "#1" behind it for the second call and so on.
std::string site_name(const Site& site);

/// Product of the dimensions; 1 for an empty shape. Throws Exception (internal) when a dimension is
/// negative or the product does not fit 64 bits.
std::uint64_t element_count(const std::vector<std::int64_t>& shape);

/// Shape of the tensor that faults of `target` hit at this site.
const std::vector<std::int64_t>& tensor_shape(const Site& site, Target target);

/// Elements that faults of `target` can hit at this site: those of its tensor, but 0 where the
/// target is a parameter of a repeated call, which belongs to the first call, or the site has no
/// such tensor. Throws as element_count.
std::uint64_t site_elements(const Site& site, Target target);

/// Row-major position -> index tuple of the shape's rank, such as [k,c,kh,kw] or [c,h,w].
/// @pre element < element_count(shape)
std::vector<std::int64_t> element_index(const std::vector<std::int64_t>& shape,
                                        std::uint64_t element);

/// Some of the sites: those of the kinds, named by a pattern, not excluded, and in the ranges.
struct SiteSelection {
  struct Range {
    std::uint32_t first = 0, last = 0;  ///< both included, in the order of `bitquake model info`
    bool operator==(const Range&) const = default;
  };
  std::vector<SiteKind> kinds;       ///< empty: is_default_kind
  std::vector<std::string> include;  ///< patterns of site names; empty: all
  std::vector<std::string> exclude;
  std::vector<Range> indices;  ///< empty: all

  bool operator==(const SiteSelection&) const = default;
};

/// Whether a site name matches a pattern: a glob over the whole name (`*` any letters, `?` one), or
/// between slashes a regular expression (ECMAScript) found anywhere in it. Throws std::regex_error.
bool matches(const std::string& pattern, const std::string& name);

/// Which sites a selection names, one flag for each. Errc::fault_set when a pattern, kind or range
/// names no site that has elements of the target: a misspelt one would go unnoticed.
Result<std::vector<bool>> select_sites(const std::vector<Site>& sites, Target target,
                                       const SiteSelection& selection);

/// All elements that faults of one target can hit: the population a campaign draws from.
class FaultSpace {
 public:
  /// All sites, or those flagged. Faults of parameters: a module called several times has several
  /// neuron sites and one weight site, its first call. Throws Exception (internal) when the
  /// elements do not fit 64 bits.
  FaultSpace(std::vector<Site> sites, Target target, const std::vector<bool>& chosen = {});

  const std::vector<Site>& sites() const { return sites_; }
  Target target() const { return target_; }

  /// Elements of one site; 0 where the target has none there, or the site was not chosen.
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
