#pragma once

#include "faultgen/fault_space.hpp"
#include "suite/base/named.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

/// Protections: what is put into a model so that it bears or notices faults. Free of Torch.
namespace bitquake::model {

/// What a guard does with the output of a site. Range guards know [low, high], found on fault-free
/// data. Sources: Geissler et al. 2021 and its code PyTorchALFI (ranger.py) for clamp to average;
/// Chen et al., DSN 2021, arXiv 2003.13874 (Ranger); Hoang et al., DATE 2020, arXiv 1912.00941
/// (FT-ClipAct); FT-CNN, arXiv 2003.12203 (checksums of convolutions); Mahmoud et al., arXiv
/// 2002.09786 (HarDNN: chosen feature maps computed twice).
enum class GuardKind : std::uint8_t {
  clamp,
  clip,
  backflip,
  rescale,
  average,
  detector,
  abft,
  duplicate,
  tmr,
};

inline constexpr std::array kGuardKinds{
    Named<GuardKind>{GuardKind::clamp, "clamp", "x < low becomes low, x > high becomes high"},
    Named<GuardKind>{GuardKind::clip, "clip",
                     "x <= low and x >= high become 0, values on a bound included"},
    Named<GuardKind>{GuardKind::backflip, "backflip",
                     "x >= 2^64 high becomes 0, then x >= 2 high becomes 2, then as clamp"},
    Named<GuardKind>{
        GuardKind::rescale, "rescale",
        "x > high becomes low + (x - min) / (max - min) * (high - low), min and max of "
        "its feature map, or of the whole output where there are no maps; x < low "
        "becomes low"},
    Named<GuardKind>{GuardKind::average, "average",
                     "what is outside becomes the mean, at its position, of the feature maps that "
                     "have nothing outside"},
    Named<GuardKind>{GuardKind::detector, "detector",
                     "changes nothing; alarm where a value is outside"},
    Named<GuardKind>{GuardKind::abft, "abft",
                     "changes nothing; alarm where the sum over the output channels of a "
                     "convolution or linear layer is further than the tolerance from the same sum "
                     "computed with the summed weights of the model file"},
    Named<GuardKind>{
        GuardKind::duplicate, "duplicate",
        "changes nothing; computes the operator, or some of its output channels, again "
        "from the same memory and raises an alarm where bits differ"},
    Named<GuardKind>{GuardKind::tmr, "tmr",
                     "three computations from the same memory, of all or some output channels: the "
                     "majority goes on, alarm where the faulty one differs"},
};

/// Whether a guard compares values with low and high.
constexpr bool has_bounds(GuardKind kind) { return kind <= GuardKind::detector; }

/// One guard, right behind a site: it sees a fault injected into the site's output, and what reads
/// that output reads what the guard gives. Monitored points stay on what the site gives. Several
/// guards of one site stand in a row, the first next to the site.
///
/// NaN counts as outside: it raises an alarm. With `sanitise` NaN is replaced, before anything
/// else, by the value of [low, high] that is nearest to 0; `rescale` also replaces +Inf by high and
/// -Inf by low, and gives high where max = min; `average` treats NaN as any other value outside,
/// and gives the value nearest to 0 where no map is healthy. Without it, as in the published code,
/// NaN passes clamp, clip and backflip; a map with NaN is not rescaled, Inf or max = min make NaN;
/// average does nothing where a NaN is in the row, and gives NaN where no map is healthy or an
/// unhealthy one has Inf at that position (0 * Inf).
struct Guard {
  std::uint32_t site = 0;  ///< with an output; not in a loop
  GuardKind kind = GuardKind::clamp;
  /// Of kinds that has_bounds(): one value, or one for each channel (see channel_axis),
  /// finite, low <= high; backflip: high >= 0.
  std::vector<float> low{}, high{};
  float tolerance = 0;  ///< of abft, >= 0: the largest deviation without an alarm
  /// Of duplicate and tmr: the output channels (channel_axis) that are computed again, each once;
  /// empty: all.
  std::vector<std::uint32_t> channels{};
  bool sanitise = true;
  bool operator==(const Guard&) const = default;
};

/// What comes out of a code that reads a word of memory.
struct CodedRead {
  std::uint64_t word = 0;  ///< what the network gets
  bool corrected = false, detected = false;
};

/// A parameter that is read through a code. A word is one fp32 value, or two neighbours of the
/// parameter in row-major order, the even one in the low half; a last odd one pairs with 0.
struct WeightGuard {
  std::uint32_t site = 0;
  faultgen::Target target = faultgen::Target::weight;
  std::string code;         ///< its name, for people
  unsigned word_bits = 32;  ///< 32 or 64
  /// Called for each word that a fault of a trial touches, with what was stored and what faults
  /// have made of it; thread-safe. `corrected` and `detected` raise the alarm.
  std::function<CodedRead(std::uint64_t original, std::uint64_t faulty)> read;
};

/// Everything that protects one variant of a model.
struct Protection {
  std::vector<Guard> guards;
  std::vector<WeightGuard> weights;
};

/// A guard in a protected model. Guards are numbered in execution order: by site, those of its
/// parameters before those of its output.
struct PlacedGuard {
  std::uint32_t site = 0;
  faultgen::Target target = faultgen::Target::neuron;  ///< what it looks at
  std::string name;                                    ///< of its kind or code
  bool operator==(const PlacedGuard&) const = default;
};

/// Dimension of a site's output, without the batch, along which its channels are counted: the last
/// one of linear layers and of what else works on vectors of features ([tokens, features]), and of
/// every output of at most two dimensions that is no convolution's; else the first one ([c, h, w]).
/// @pre the site has an output of at least one dimension
inline std::size_t channel_axis(const faultgen::Site& site) {
  using faultgen::SiteKind;
  const std::size_t rank = site.output_shape.size();
  if (site.kind <= SiteKind::conv_transpose3d || site.kind == SiteKind::batch_norm) return 0;
  switch (site.kind) {
    case SiteKind::linear:
    case SiteKind::matmul:
    case SiteKind::embedding:
    case SiteKind::lstm:
    case SiteKind::gru:
    case SiteKind::layer_norm:
    case SiteKind::attention:
    case SiteKind::transformer_layer:
      return rank - 1;
    default:
      return rank <= 2 ? rank - 1 : 0;
  }
}

}  // namespace bitquake::model
