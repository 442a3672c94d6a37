#pragma once

#include "augment/pipeline.hpp"
#include "datasets/dataset.hpp"
#include "datasets/geometry.hpp"
#include "datasets/preprocess.hpp"
#include "faultgen/fault_model.hpp"
#include "faultgen/fault_space.hpp"
#include "faultgen/sampler.hpp"
#include "faultgen/schedule.hpp"
#include "metrics/interval.hpp"
#include "metrics/outcome.hpp"
#include "suite/base/result.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitquake::scenario {

enum class DataFormat : std::uint8_t { idx, cifar10, cifar100, npy, image_folder, coco, voc, hdf5 };
enum class LabelSet : std::uint8_t { fine, coarse };
enum class OnBadSample : std::uint8_t { error, skip };
enum class Device : std::uint8_t { cpu };
enum class Execution : std::uint8_t { incremental, batched, reference };
enum class MonitorScope : std::uint8_t { all, output };

inline constexpr std::array kDataFormats{
    Named<DataFormat>{DataFormat::idx, "idx", "MNIST-style idx files, gzip or plain"},
    Named<DataFormat>{DataFormat::cifar10, "cifar10", "CIFAR-10, binary version"},
    Named<DataFormat>{DataFormat::cifar100, "cifar100",
                      "CIFAR-100, binary version; needs data.label_set"},
    Named<DataFormat>{DataFormat::npy, "npy", "NumPy arrays, as CIFAR-10-C has them"},
    Named<DataFormat>{DataFormat::image_folder, "image_folder",
                      "image files in a folder for each class, or in a list"},
    Named<DataFormat>{DataFormat::coco, "coco",
                      "image files with boxes in a COCO JSON file; needs data.annotations"},
    Named<DataFormat>{DataFormat::voc, "voc",
                      "image files with boxes in PASCAL VOC XML files, one for each"},
    Named<DataFormat>{DataFormat::hdf5, "hdf5",
                      "HDF5 that Bitquake wrote, or of others with data.images_dataset"},
};
inline constexpr std::array kLabelSets{
    Named<LabelSet>{LabelSet::fine, "fine", "the 100 classes"},
    Named<LabelSet>{LabelSet::coarse, "coarse", "the 20 superclasses"},
};
inline constexpr std::array kLayouts{
    Named<datasets::Layout>{datasets::Layout::nhwc, "nhwc", "[samples, height, width, channels]"},
    Named<datasets::Layout>{datasets::Layout::nchw, "nchw", "[samples, channels, height, width]"},
};
inline constexpr std::array kOnBadSamples{
    Named<OnBadSample>{OnBadSample::error, "error", "the campaign ends and names the file"},
    Named<OnBadSample>{OnBadSample::skip, "skip",
                       "the sample has no trials and is listed in skipped.csv"},
};
inline constexpr std::array kDevices{
    Named<Device>{Device::cpu, "cpu", "the CPU, in fp32"},
};
inline constexpr std::array kOrders{
    Named<datasets::Order>{datasets::Order::first, "first", "the first samples, in order"},
    Named<datasets::Order>{datasets::Order::random, "random",
                           "drawn by the seed without replacement, in drawn order"},
    Named<datasets::Order>{datasets::Order::stratified, "stratified",
                           "drawn by the seed, from each class its share, in order"},
};
inline constexpr std::array kExecutions{
    Named<Execution>{Execution::incremental, "incremental",
                     "only what a fault changes is computed"},
    Named<Execution>{Execution::batched, "batched",
                     "the whole network; trials that share a weight fault in one batch"},
    Named<Execution>{Execution::reference, "reference",
                     "the whole network, a weight fault to itself: slow, obviously right"},
};
inline constexpr std::array kSwitches{
    Named<bool>{true, "on", "it is done"},
    Named<bool>{false, "off", "it is left out"},
};
inline constexpr std::array kMonitorScopes{
    Named<MonitorScope>{MonitorScope::all, "all",
                        "the outputs of all module calls and the final output"},
    Named<MonitorScope>{MonitorScope::output, "output", "the final output only"},
};

/// The network of model.file as it is: variant 0 of every campaign.
inline constexpr std::string_view kOriginal = "original";

/// What is done to a network against faults. Those by bounds come first.
enum class Protection : std::uint8_t {
  clamp,
  clip,
  backflip,
  rescale,
  average,
  detector,
  abft,
  duplicate,
  tmr,
  parity_32,
  exponent_twice,
  exponent_thrice,
  secded_39_32,
  secded_72_64,
};

inline constexpr std::array kProtections{
    Named<Protection>{Protection::clamp, "clamp",
                      "values beyond a bound become that bound (Ranger)"},
    Named<Protection>{Protection::clip, "clip", "values on or beyond a bound become 0 (Clipper)"},
    Named<Protection>{
        Protection::backflip, "backflip",
        "values far beyond the upper bound become 0 or 2, others the bound (BackFlip)"},
    Named<Protection>{
        Protection::rescale, "rescale",
        "maps with a value beyond the upper bound are scaled into the bounds (FmapRescale)"},
    Named<Protection>{Protection::average, "average",
                      "values beyond a bound become the mean of the sound maps (FmapAvg)"},
    Named<Protection>{Protection::detector, "detector",
                      "values beyond a bound raise the alarm and stay"},
    Named<Protection>{
        Protection::abft, "abft",
        "the sum over output channels is computed twice; a difference raises the alarm"},
    Named<Protection>{Protection::duplicate, "duplicate",
                      "operators are computed twice; a difference raises the alarm"},
    Named<Protection>{Protection::tmr, "tmr", "operators are computed three times and voted on"},
    Named<Protection>{
        Protection::parity_32, "parity_32",
        "parameters are read with a parity bit: an odd number of flips raises the alarm"},
    Named<Protection>{
        Protection::exponent_twice, "exponent_twice",
        "the top exponent bit of parameters is stored twice; a difference raises the alarm"},
    Named<Protection>{Protection::exponent_thrice, "exponent_thrice",
                      "the top exponent bit of parameters is stored three times and voted on"},
    Named<Protection>{
        Protection::secded_39_32, "secded_39_32",
        "parameters are read with 7 check bits for 32: one flip corrected, two found"},
    Named<Protection>{
        Protection::secded_72_64, "secded_72_64",
        "parameters are read with 8 check bits for 64: one flip corrected, two found"},
};

/// Whether a protection compares activations with bounds.
inline constexpr bool by_bounds(Protection protection) {
  return protection <= Protection::detector;
}

/// Whether a protection reads parameters through a code (faultgen/ecc.hpp).
inline constexpr bool by_code(Protection protection) { return protection >= Protection::parity_32; }

enum class BoundsScope : std::uint8_t { site, channel };
inline constexpr std::array kBoundsScopes{
    Named<BoundsScope>{BoundsScope::site, "site", "all values of a site"},
    Named<BoundsScope>{BoundsScope::channel, "channel", "the values of a channel"},
};

enum class NonFinite : std::uint8_t { sanitise, as_published };
inline constexpr std::array kNonFinites{
    Named<NonFinite>{NonFinite::sanitise, "sanitise", "they count as beyond the bounds"},
    Named<NonFinite>{NonFinite::as_published, "as_published",
                     "what the published formula makes of them: NaN mostly stays"},
};

enum class SamplingMethod : std::uint8_t { random, without_replacement, exhaustive, statistical };

inline constexpr std::array kSamplingMethods{
    Named<SamplingMethod>{SamplingMethod::random, "random", "each fault is drawn anew"},
    Named<SamplingMethod>{SamplingMethod::without_replacement, "without_replacement",
                          "no fault comes twice in the campaign"},
    Named<SamplingMethod>{SamplingMethod::exhaustive, "exhaustive", "every single fault, once"},
    Named<SamplingMethod>{
        SamplingMethod::statistical, "statistical",
        "as many faults of each stratum as its margin of error needs, none twice"},
};

/// What happens to a value: a fault model, or stuck-at faults of either level.
struct ModelChoice {
  ModelChoice(faultgen::FaultModel of = faultgen::FaultModel::bit_flip,  // NOLINT(*-explicit-*)
              bool either = false)
      : model(of), either_stuck_at(either) {}
  faultgen::FaultModel model;
  bool either_stuck_at;
  bool operator==(const ModelChoice&) const = default;
};
inline constexpr std::string_view kEitherStuckAt = "stuck_at";

/// What a scenario file says, defaults filled in. suite/scenario/schema.hpp holds the one table of
/// keys that ties these members to YAML. Paths are kept as written; resolve() makes them usable.
struct Scenario {
  std::uint64_t version = 1;
  std::uint64_t seed = 1;

  struct Model {
    std::string file;
    std::vector<std::int64_t> input;  ///< one sample: [channels, height, width]
    metrics::OutputKind output = metrics::OutputKind::logits;
    Device device = Device::cpu;
    bool operator==(const Model&) const = default;
  } model;

  struct Data {
    DataFormat format = DataFormat::idx;
    std::string name;
    std::string images;
    std::vector<std::string> more_images{};  ///< further files, of cifar10 and cifar100
    std::optional<std::string> labels{};
    std::optional<std::string> annotations{}, list{}, classes{};
    std::optional<LabelSet> label_set{};
    std::optional<std::uint32_t> severity{};
    std::optional<std::string> images_dataset{}, labels_dataset{};
    std::optional<datasets::Layout> layout{};
    std::optional<std::string> perturbation{};
    std::optional<std::uint64_t> samples{};  ///< none: all
    datasets::Order order = datasets::Order::first;
    std::vector<std::uint64_t> ids{};       ///< empty: not chosen by id
    std::optional<std::string> ids_file{};  ///< the same in a file
    OnBadSample on_bad_sample = OnBadSample::error;
    std::optional<std::uint64_t> max_pixels{};  ///< none: datasets::kMaxPixels

    /// Whether samples can have classes.
    bool labelled() const;
    bool operator==(const Data&) const = default;
  } data;

  datasets::Preprocess preprocess;

  /// The steps before perturbations; the keys of section `preprocess` that `preprocess` above does
  /// not have. geometry() puts them together.
  struct Shaping {
    std::optional<datasets::Colour> colour;
    std::optional<datasets::Resize> resize;
    std::vector<std::uint64_t> resize_to;  ///< [N] or [height, width]
    std::optional<datasets::Interpolation> interpolation;
    std::optional<std::uint16_t> pad_value;
    std::vector<std::uint64_t> crop;  ///< [height, width]
    bool operator==(const Shaping&) const = default;
  } shaping;
  datasets::Geometry geometry() const;

  /// Key `augment`: each sample runs under each of them, on the same faults. All different.
  std::vector<augment::Pipeline> perturbations = std::vector<augment::Pipeline>(1);

  /// A kind of fault. `file`, `policy`, `batch_size` and `epochs` belong to the campaign: those of
  /// `faults` hold for all kinds.
  struct Faults {
    std::optional<std::string>
        file;  ///< an existing fault set; then the other members do not apply
    faultgen::Target target = faultgen::Target::neuron;
    ModelChoice model;
    std::vector<std::string> bits{"all"};  ///< faultgen::bits_of
    std::vector<double> bit_weights;       ///< empty: equal
    std::uint32_t bits_per_fault = 1;
    faultgen::Arrangement arrangement = faultgen::Arrangement::independent;
    std::optional<std::string> mask;  ///< faultgen::parse_mask; in place of drawn bits
    std::optional<double> value;      ///< given with models that need it and only then
    std::vector<double> value_range;
    std::optional<double> sigma;

    faultgen::NumberFormat format = faultgen::NumberFormat::fp32;
    std::optional<double> scale;       ///< of int8; none: calibrated for each site
    std::optional<double> zero_point;  ///< of int8; none: 0
    std::optional<std::uint32_t> integer_bits, fraction_bits;  ///< given with fixed and only then

    faultgen::Draw draw = faultgen::Draw::elements;
    std::vector<faultgen::SiteKind> kinds;  ///< empty: those that are hit by default
    std::vector<std::string> include, exclude, indices, site_weights;
    faultgen::Pattern pattern = faultgen::Pattern::single;
    std::optional<std::uint64_t> pattern_length, pattern_stride;

    std::optional<std::uint32_t> per_group;  ///< none: 1, unless a rate is given
    std::optional<double> fault_rate, bit_error_rate;
    double active_probability = 1;

    faultgen::Policy policy = faultgen::Policy::per_image;
    std::optional<std::uint64_t> batch_size;  ///< given with per_batch and only then
    std::uint32_t epochs = 1;

    faultgen::Schedule schedule() const { return {policy, batch_size.value_or(1)}; }
    bool operator==(const Faults&) const = default;
  } faults;
  std::vector<Faults> more_faults;  ///< further kinds of faults: each group has those of all

  /// Which faults of the fault space are taken. What is none has the default of the keys' table.
  struct Sampling {
    SamplingMethod method = SamplingMethod::random;
    std::optional<double> margin, confidence, t, p;  ///< given with statistical and only then
    std::optional<bool> data_aware;
    std::optional<faultgen::StrataBy> strata;
    std::optional<std::uint64_t> minimum;
    bool operator==(const Sampling&) const = default;
  } sampling;

  faultgen::RunType run_type = faultgen::RunType::single;
  Execution execution = Execution::incremental;

  /// Parts of incremental execution: each saves work, none changes a result.
  struct Incremental {
    bool prefix = true;
    bool masked_stop = true;
    bool noop = true;
    bool region = true;
    bool channel = true;
    bool prepared_weights = true;
    bool operator==(const Incremental&) const = default;
  } incremental;

  std::uint32_t padded_batch = 16;
  std::uint32_t unit_samples = 64;
  std::optional<std::uint64_t> memory_budget_mib;  ///< none: a quarter of the machine's memory
  bool audit = true;
  MonitorScope monitor = MonitorScope::all;
  bool deviation = false;

  /// A modified network: a protection of the original, or another file. One with neither is none.
  struct Variant {
    std::optional<std::string> name;
    std::optional<Protection> protection;
    std::optional<std::string> model;
    std::vector<std::string> site_map;
    std::optional<std::string> bounds;
    std::optional<BoundsScope> bounds_per;
    std::optional<NonFinite> non_finite;
    std::optional<double> tolerance_factor;
    std::vector<std::string> channels;      ///< channels_of; empty: all
    std::vector<faultgen::SiteKind> kinds;  ///< empty: those of the protection
    std::vector<std::string> include, exclude;

    bool given() const { return protection || model; }
    /// Its name in tables.
    std::string label() const;
    bool operator==(const Variant&) const = default;
  } variant;
  std::vector<Variant> more_variants;
  /// The modified networks, in their order: variants 1, 2, … of the campaign; 0 is the original.
  std::vector<Variant> variants() const;

  struct Statistics {
    metrics::IntervalMethod interval = metrics::IntervalMethod::wilson;
    double confidence = 0.95;
    std::optional<std::string> corruption_baseline{};
    bool operator==(const Statistics&) const = default;
  } statistics;

  /// From rates to FIT: figures are made where raw_fit_per_mbit is given.
  struct Fit {
    std::optional<double> raw_fit_per_mbit;
    std::optional<double> derating;
    bool operator==(const Fit&) const = default;
  } fit;

  struct Expect {
    std::optional<double> golden_top1;  ///< fraction in [0, 1]
    bool operator==(const Expect&) const = default;
  } expect;

  std::filesystem::path directory;  ///< of the scenario file; not part of the text

  /// Where the file, or an option, names files: by key and item of a list, an error without a
  /// message. No part of what a scenario says.
  struct Places {
    std::map<std::pair<std::string, std::size_t>, Error> of;
    bool operator==(const Places&) const { return true; }
  } places;

  /// An error about the whole of a file that a key names, put at the key's place where that is
  /// known; another error as it is.
  /// @param item     of a list of sections
  /// @param written  the key's value
  Error file_error(const std::string& key, std::size_t item, const std::string& written,
                   Error error) const;

  /// Absolute path of a path as written: relative ones start at the scenario file's directory.
  std::filesystem::path resolve(const std::string& written) const;

  bool operator==(const Scenario&) const = default;
};

/// The channels that items name, ascending, each once: a number (`3`) or an inclusive range
/// (`0-7`), below 2^20. Errc::scenario names the item that does not.
Result<std::vector<std::uint32_t>> channels_of(const std::vector<std::string>& items);

/// The two names of "a = b", without blanks around them; none when it is no such pair.
std::optional<std::pair<std::string, std::string>> split_pair(const std::string& text);

/// A part of incremental execution: its key in section `incremental` and what it does.
struct IncrementalPart {
  std::string_view key, doc;
  bool Scenario::Incremental::*member;
};
inline constexpr std::array kIncrementalParts{
    IncrementalPart{"incremental.prefix",
                    "start at the fault's site, from the activations of the golden run",
                    &Scenario::Incremental::prefix},
    IncrementalPart{"incremental.masked_stop",
                    "end a trial when all its live values equal the golden run",
                    &Scenario::Incremental::masked_stop},
    IncrementalPart{"incremental.noop", "do not run a fault that changes no bit",
                    &Scenario::Incremental::noop},
    IncrementalPart{"incremental.region",
                    "compute only the region that differs from the golden run",
                    &Scenario::Incremental::region},
    IncrementalPart{"incremental.channel",
                    "of a weight fault compute only the output channel it reaches",
                    &Scenario::Incremental::channel},
    IncrementalPart{"incremental.prepared_weights",
                    "keep weights in the order that oneDNN computes with",
                    &Scenario::Incremental::prepared_weights},
};

}  // namespace bitquake::scenario
