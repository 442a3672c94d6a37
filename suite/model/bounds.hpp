#pragma once

#include "faultgen/fault_space.hpp"
#include "suite/base/named.hpp"
#include "suite/base/result.hpp"
#include "suite/model/protection.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Between which values the outputs of sites lie in fault-free runs: what protections take as the
/// range of sound values.
namespace bitquake::model {

/// Channels of a site's output; 1 where it has no dimensions.
std::uint64_t channels(const faultgen::Site& site);

/// Range of finite values; NaN and Inf are only counted.
struct Range {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  std::uint64_t finite = 0, nonfinite = 0;  ///< values seen; 0 and 0 where they were not counted

  void add(float value);
  void merge(const Range& other);
  /// No finite value was seen: low is above high.
  bool empty() const { return !(low <= high); }
  bool operator==(const Range&) const = default;
};

/// Percentiles of a stream of floats in constant memory, whatever the order of the stream. A value
/// is counted by the upper 16 bits of its pattern: sign, exponent and 7 bits of the mantissa. This
/// is DDSketch with buckets that floating point itself gives, which are a relative 2^-7 wide or
/// narrower: a percentile is off by at most kRelativeError of itself, below 2^-126 by at most
/// 2^-126. NaN and Inf are left out.
/// Source: Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
/// relative-error guarantees", PVLDB 12(12), 2019.
class Percentiles {
 public:
  static constexpr double kRelativeError = 0x1p-8;

  void add(float value);
  void merge(const Percentiles& other);
  std::uint64_t count() const;
  /// The value of rank floor(percent / 100 * (n - 1)), from 0, of the n values in ascending order.
  /// @param percent  in [0, 100]      @pre count() > 0
  float at(double percent) const;

 private:
  std::vector<std::uint64_t> buckets_;  ///< empty, or one per pattern in ascending order of values
};

/// Percentiles that are kept of each site.
inline constexpr std::array kBoundPercentiles{0.01, 0.1,  1.0,  5.0,  25.0, 50.0,
                                              75.0, 95.0, 99.0, 99.9, 99.99};

/// What is known of a site's output.
struct SiteBounds {
  std::string site;  ///< faultgen::site_name
  faultgen::SiteKind kind{};
  Range range;
  /// At kBoundPercentiles, within [range.low, range.high] and off by at most
  /// Percentiles::kRelativeError; empty where values were not counted or none is finite.
  std::vector<float> percentiles{};
  std::vector<Range>
      channels{};  ///< by channel (channel_axis); empty where they were not told apart
  /// Of searched bounds, where `range.high` is the threshold: the greatest finite value seen.
  std::optional<float> act_max{};
  bool operator==(const SiteBounds&) const = default;
};

/// Where bounds come from.
enum class BoundsOrigin : std::uint8_t { measured, pytorchalfi, searched };

inline constexpr std::array kBoundsOrigins{
    Named<BoundsOrigin>{BoundsOrigin::measured, "measured", "fault-free runs of samples"},
    Named<BoundsOrigin>{BoundsOrigin::pytorchalfi, "pytorchalfi", "a bounds file of PyTorchALFI"},
    Named<BoundsOrigin>{BoundsOrigin::searched, "searched",
                        "fault-free runs, then a search of thresholds with faults"},
};

/// How thresholds were searched, and what became of it on the samples and faults of the search.
struct ClipSearch {
  std::string faults;  ///< scenario text of what was drawn at the first rate
  std::uint64_t seed = 0, repetitions = 0, steps = 0;
  std::vector<double> rates;  ///< ascending
  /// Top-1 accuracies at the rates: of the network as it is, clipped at act_max, and at the
  /// thresholds found.
  std::vector<double> unprotected{}, at_act_max{}, found{};
  std::uint64_t trials = 0;  ///< behind each accuracy
  bool operator==(const ClipSearch&) const = default;
};

/// The content of a bounds file: sites in execution order, those that nothing is known of left out.
struct Bounds {
  BoundsOrigin origin = BoundsOrigin::measured;
  std::string model_sha256;  ///< of the model file
  std::string data_sha256;   ///< of the content hashes of the samples in order; empty: unknown
  std::uint64_t samples = 0;
  std::vector<SiteBounds> sites;
  std::optional<ClipSearch> search{};  ///< of searched bounds, and only then
  bool operator==(const Bounds&) const = default;
};

/// Takes in the outputs of one site, sample by sample in any order. Not thread-safe.
class BoundsCounter {
 public:
  /// @param site  with neurons: faultgen::site_elements(site, Target::neuron) > 0
  explicit BoundsCounter(const faultgen::Site& site);
  /// @param values  the output for one sample, row-major. Throws Exception (model) when they are
  /// not
  ///                as many as the site's output has.
  void add(std::span<const float> values);
  /// @pre `other` counts the same site
  void merge(const BoundsCounter& other);
  SiteBounds result() const;

 private:
  std::string site_;
  faultgen::SiteKind kind_;
  std::uint64_t stride_ = 1;  ///< elements between neighbours along the channel axis
  std::uint64_t elements_ = 1;
  std::vector<Range> channels_;
  Percentiles percentiles_;
};

/// Version of the layout of bounds files; a reader refuses another one.
inline constexpr std::uint64_t kBoundsVersion = 1;

/// Writes bounds.h5, sealed (suite/base/seal.hpp): /sites/{name, kind, low, high, finite,
/// nonfinite, channels}, /percentiles/percent and /percentiles/value [site, percent] (NaN: none),
/// and /channels/{site, low, high, finite, nonfinite}, site by site; attributes content,
/// format_version, origin, model_sha256, data_sha256, samples. Of searched bounds also
/// /sites/act_max, /search/{rate, unprotected, at_act_max, found} and the attributes search_faults,
/// search_seed, search_repetitions, search_steps, search_trials. A range that holds no value has
/// low = Inf, high = -Inf. Bytes depend on the values alone. The file appears whole or not at all.
/// Throws Exception (results).
void write_bounds(const std::filesystem::path& path, const Bounds& bounds);

/// Reads and checks bounds.h5, its seal first. Errc::model for any damage.
Result<Bounds> read_bounds(const std::filesystem::path& path);

/// Reads a bounds file of PyTorchALFI: lines "min , max", one per activation function in execution
/// order; empty lines count for nothing. It knows no channels, counts and data.
/// @param name  stands in messages, usually the file's path
/// @return Errc::model, with line and column, for a line that is not two finite numbers in order,
///         and when there are not as many lines as sites of kind activation
Result<Bounds> parse_alfi_bounds(std::string_view text, const std::string& name,
                                 const std::vector<faultgen::Site>& sites,
                                 const std::string& model_sha256);

/// Nothing when bounds belong to a model with these sites; otherwise Errc::model. `where` names the
/// file in the message.
Result<std::monostate> check_fits(const Bounds& bounds, const std::string& model_sha256,
                                  const std::vector<faultgen::Site>& sites,
                                  const std::string& where);

/// One record per site (RFC 4180): site, kind, low, high, finite, nonfinite, channels, the
/// percentiles p0.01 to p99.99, origin, act_max; cells of what is not known are empty.
std::string bounds_csv(const Bounds& bounds);

}  // namespace bitquake::model
