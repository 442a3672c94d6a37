#include "suite/scenario/schema.hpp"

#include "faultgen/bit_choice.hpp"
#include "suite/base/text.hpp"
#include "suite/scenario/fault_kinds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <regex>
#include <stdexcept>
#include <type_traits>

namespace bitquake::scenario {

namespace {

// --- between a Value and the type of a member ---

template <class T>
void store(T& member, const Value& value) {
  if constexpr (std::is_integral_v<T>) {
    member = static_cast<T>(std::get<std::uint64_t>(value));
  } else {
    member = std::get<T>(value);
  }
}

template <class T>
void store(std::optional<T>& member, const Value& value) {
  store(member.emplace(), value);
}

void store(std::vector<std::int64_t>& member, const Value& value) {
  const auto& list = std::get<std::vector<std::uint64_t>>(value);
  member.assign(list.begin(), list.end());
}

template <class T>
std::optional<Value> load(const T& member) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<std::uint64_t>(member);
  } else {
    return member;
  }
}

template <class T>
std::optional<Value> load(const std::optional<T>& member) {
  return member ? load(*member) : std::nullopt;
}

std::optional<Value> load(const std::vector<std::int64_t>& member) {
  return std::vector<std::uint64_t>(member.begin(), member.end());
}

/// A list that is empty unless the file gives one has no value then.
template <class T>
std::optional<Value> load_list(const std::vector<T>& member) {
  if (member.empty()) return std::nullopt;
  return member;
}
std::optional<Value> load(const std::vector<std::string>& member) { return load_list(member); }
std::optional<Value> load(const std::vector<double>& member) { return load_list(member); }
std::optional<Value> load(const std::vector<std::uint64_t>& member) { return load_list(member); }

/// The member at the end of a path of pointers to members, such as &Scenario::seed.
template <auto... Path>
Member member() {
  return {.set = [](Scenario& s, const Value& value) { store((s.*....*Path), value); },
          .get = [](const Scenario& s) { return load((s.*....*Path)); }};
}

/// As above for an enumeration whose words are in `registry()`.
template <auto registry, auto... Path>
Member choice_of() {
  return {.set =
              [](Scenario& s, const Value& value) {
                const auto word = value_of(registry(), std::get<std::string>(value));
                assert(word);
                (s.*....*Path) = *word;
              },
          .get = [](const Scenario& s) -> std::optional<Value> {
            const std::string_view name = name_of(registry(), (s.*....*Path));
            assert(!name.empty());
            return std::string(name);
          }};
}

template <const auto& Registry>
const auto& constant() {
  return Registry;
}

/// As above for a registry that never changes.
template <const auto& Registry, auto... Path>
Member choice() {
  return choice_of<constant<Registry>, Path...>();
}

/// As above for an optional value.
template <const auto& Registry, auto... Path>
Member optional_choice() {
  return {.set =
              [](Scenario& s, const Value& value) {
                (s.*....*Path) = value_of(Registry, std::get<std::string>(value)).value();
              },
          .get = [](const Scenario& s) -> std::optional<Value> {
            if (!(s.*....*Path)) return std::nullopt;
            return std::string(name_of(Registry, *(s.*....*Path)));
          }};
}

/// As above for a list of registered words.
template <const auto& Registry, auto... Path>
Member choices() {
  return {.set =
              [](Scenario& s, const Value& value) {
                auto& list = (s.*....*Path);
                list.clear();
                for (const std::string& word : std::get<std::vector<std::string>>(value)) {
                  list.push_back(value_of(Registry, word).value());
                }
              },
          .get = [](const Scenario& s) -> std::optional<Value> {
            std::vector<std::string> list;
            for (const auto& item : (s.*....*Path)) list.emplace_back(name_of(Registry, item));
            if (list.empty()) return std::nullopt;
            return list;
          }};
}

/// Of a kind of fault: a fault model, or either stuck-at level.
Member fault_model() {
  return {.set =
              [](Scenario& s, const Value& value) {
                const auto& word = std::get<std::string>(value);
                const auto model = value_of(faultgen::fault_models(), word);
                s.faults.model = {model.value_or(faultgen::FaultModel::stuck_at_0), !model};
              },
          .get = [](const Scenario& s) -> std::optional<Value> {
            const auto& [model, either] = s.faults.model;
            return std::string(either ? kEitherStuckAt : name_of(faultgen::fault_models(), model));
          }};
}

/// The first path and those behind it.
Member image_paths() {
  return {.set =
              [](Scenario& s, const Value& value) {
                const auto& paths = std::get<std::vector<std::string>>(value);
                s.data.images = paths.front();
                s.data.more_images.assign(paths.begin() + 1, paths.end());
              },
          .get = [](const Scenario& s) -> std::optional<Value> {
            std::vector<std::string> paths{s.data.images};
            paths.insert(paths.end(), s.data.more_images.begin(), s.data.more_images.end());
            return paths;
          }};
}

Member perturbations() {
  return {.set =
              [](Scenario& s, const Value& value) {
                s.perturbations.clear();
                for (const std::string& label : std::get<std::vector<std::string>>(value)) {
                  s.perturbations.push_back(augment::parse_pipeline(label).value());
                }
              },
          .get = [](const Scenario& s) -> std::optional<Value> {
            std::vector<std::string> labels;
            for (const auto& pipeline : s.perturbations) labels.push_back(augment::label(pipeline));
            return labels;
          }};
}

template <class Registry>
std::vector<Word> words(const Registry& registry) {
  std::vector<Word> list;
  for (const auto& entry : registry) list.push_back({entry.name, entry.doc});
  return list;
}

// --- lists ---

constexpr std::array kListSections{
    ListSection{"faults", "kinds of faults: each group has those of all",
                [](const Scenario& s) { return s.more_faults.size(); },
                [](Scenario& s, std::size_t i) { s.faults = s.more_faults[i]; },
                [](Scenario& s) {
                  Scenario::Faults empty;
                  empty.policy = s.faults.policy;
                  empty.batch_size = s.faults.batch_size;
                  s.faults = std::move(empty);
                },
                [](Scenario& to, const Scenario& from) {
                  Scenario::Faults& item = to.more_faults.emplace_back(from.faults);
                  item.policy = {};
                  item.batch_size.reset();
                },
                true},
    ListSection{
        "variants", "modified networks: each meets the samples and faults of the original",
        [](const Scenario& s) { return s.more_variants.size(); },
        [](Scenario& s, std::size_t i) { s.variant = s.more_variants[i]; },
        [](Scenario& s) {
          s.more_variants.push_back(s.variant);  // names must differ from it too
          s.variant = {};
        },
        [](Scenario& to, const Scenario& from) { to.more_variants.push_back(from.variant); }},
};

// --- the table ---

using S = Scenario;

std::vector<Word> fault_model_words() {
  std::vector<Word> list = words(faultgen::fault_models());
  list.push_back({kEitherStuckAt, "stuck_at_0 or stuck_at_1, equally likely"});
  return list;
}
using Preprocess = datasets::Preprocess;

/// The entry of a part of incremental execution.
constexpr const IncrementalPart& part_of(bool S::Incremental::*member) {
  for (const IncrementalPart& part : kIncrementalParts) {
    if (part.member == member) return part;
  }
  throw std::logic_error("no such part");
}

template <auto Member>
Key part_key() {
  constexpr const IncrementalPart& kPart = part_of(Member);
  return {.name = kPart.key,
          .kind = Kind::choice,
          .default_text = "on",
          .choices = words(kSwitches),
          .doc = kPart.doc,
          .decides_results = false,
          .member = choice<kSwitches, &S::incremental, Member>()};
}

// clang-format off
std::vector<Key> make_keys() {
  return {
    {.name = "version", .kind = Kind::integer, .mandatory = true, .integer_range = {1, 1},
     .doc = "version of the scenario language",
     .member = member<&S::version>()},
    {.name = "seed", .kind = Kind::integer, .default_text = "1",
     .doc = "decides every random draw of the campaign",
     .member = member<&S::seed>()},

    {.name = "model.file", .kind = Kind::path, .mandatory = true,
     .doc = "TorchScript model",
     .member = member<&S::model, &S::Model::file>()},
    {.name = "model.input", .kind = Kind::integers, .mandatory = true,
     .integer_range = {1, 65536}, .items = {3, 3},
     .doc = "shape of one sample: [channels, height, width]",
     .member = member<&S::model, &S::Model::input>()},
    {.name = "model.output", .kind = Kind::choice, .mandatory = true,
     .choices = words(metrics::kOutputKinds),
     .doc = "what the model's scores are",
     .member = choice<metrics::kOutputKinds, &S::model, &S::Model::output>()},
    {.name = "model.device", .kind = Kind::choice, .default_text = "cpu",
     .choices = words(kDevices),
     .refusal = "trials are compared bit by bit, and only CPU kernels are checked to repeat their bits",
     .doc = "where inferences run",
     .member = choice<kDevices, &S::model, &S::Model::device>()},

    {.name = "data.format", .kind = Kind::choice, .default_text = "idx",
     .choices = words(kDataFormats),
     .doc = "file format of the data set",
     .member = choice<kDataFormats, &S::data, &S::Data::format>()},
    {.name = "data.name", .kind = Kind::text, .mandatory = true,
     .doc = "name of the data set in tables and reports",
     .member = member<&S::data, &S::Data::name>()},
    {.name = "data.images", .kind = Kind::paths, .mandatory = true, .items = {1, 64},
     .doc = "file of images (cifar10, cifar100: one or several), or their folder (image_folder, coco, voc)",
     .member = image_paths()},
    {.name = "data.labels", .kind = Kind::path,
     .none = "no labels: the golden run is the reference, accuracies are left out",
     .doc = "file of labels, of idx and npy; without it there is no accuracy",
     .member = member<&S::data, &S::Data::labels>()},
    {.name = "data.annotations", .kind = Kind::path,
     .doc = "JSON file of coco; mandatory there, refused elsewhere",
     .member = member<&S::data, &S::Data::annotations>()},
    {.name = "data.list", .kind = Kind::path,
     .doc = "text file that names the images to use: image_folder: lines `path label`, in place of class "
            "folders; voc: a stem a line",
     .member = member<&S::data, &S::Data::list>()},
    {.name = "data.classes", .kind = Kind::path,
     .doc = "text file of class names, one a line from class 0 on; voc: the categories and their order; "
            "not for coco",
     .member = member<&S::data, &S::Data::classes>()},
    {.name = "data.label_set", .kind = Kind::choice, .choices = words(kLabelSets),
     .doc = "which labels of cifar100; mandatory there, refused elsewhere",
     .member = optional_choice<kLabelSets, &S::data, &S::Data::label_set>()},
    {.name = "data.severity", .kind = Kind::integer, .integer_range = {1, 5},
     .doc = "of npy: only the images of this severity, the file's fifth of that number; all when not given",
     .member = member<&S::data, &S::Data::severity>()},
    {.name = "data.images_dataset", .kind = Kind::text,
     .doc = "of hdf5: name of the images in a file that Bitquake did not write, uint8 or uint16",
     .member = member<&S::data, &S::Data::images_dataset>()},
    {.name = "data.labels_dataset", .kind = Kind::text,
     .doc = "of hdf5: name of the labels beside data.images_dataset",
     .member = member<&S::data, &S::Data::labels_dataset>()},
    {.name = "data.layout", .kind = Kind::choice, .choices = words(kLayouts),
     .doc = "of hdf5: what the indices of data.images_dataset are; mandatory with it, refused elsewhere",
     .member = optional_choice<kLayouts, &S::data, &S::Data::layout>()},
    {.name = "data.perturbation", .kind = Kind::text,
     .doc = "of a file of bitquake augment: only the images of this perturbation, such as fog/3; all when not given",
     .member = member<&S::data, &S::Data::perturbation>()},
    {.name = "data.samples", .kind = Kind::integer, .integer_range = {.low = 1},
     .doc = "number of samples to use; all when not given",
     .member = member<&S::data, &S::Data::samples>()},
    {.name = "data.order", .kind = Kind::choice, .default_text = "first",
     .choices = words(kOrders),
     .doc = "which samples are used",
     .member = choice<kOrders, &S::data, &S::Data::order>()},
    {.name = "data.ids", .kind = Kind::integers,
     .doc = "in place of samples and order: these samples, by COCO's image id, or elsewhere by the "
            "position in the data set, from 0",
     .member = member<&S::data, &S::Data::ids>()},
    {.name = "data.ids_file", .kind = Kind::path,
     .doc = "as data.ids, from a text file with one id a line",
     .member = member<&S::data, &S::Data::ids_file>()},
    {.name = "data.on_bad_sample", .kind = Kind::choice, .default_text = "error",
     .choices = words(kOnBadSamples),
     .doc = "what an image file that cannot be read does; of image_folder, coco and voc",
     .member = choice<kOnBadSamples, &S::data, &S::Data::on_bad_sample>()},
    {.name = "data.max_pixels", .kind = Kind::integer, .integer_range = {1, 1'000'000'000},
     .doc = "largest image that is decoded, of image_folder, coco and voc; 100000000 when not given",
     .member = member<&S::data, &S::Data::max_pixels>()},

    {.name = "preprocess.colour", .kind = Kind::choice, .choices = words(datasets::kColours),
     .doc = "colours that images are converted to; as they are when not given",
     .member = optional_choice<datasets::kColours, &S::shaping, &S::Shaping::colour>()},
    {.name = "preprocess.resize", .kind = Kind::choice, .choices = words(datasets::kResizes),
     .doc = "how images are brought to another size; not at all when not given",
     .member = optional_choice<datasets::kResizes, &S::shaping, &S::Shaping::resize>()},
    {.name = "preprocess.resize_to", .kind = Kind::integers, .integer_range = {1, 65536},
     .items = {1, 2},
     .doc = "of preprocess.resize, in pixels: [N] for short_side, else [height, width]",
     .member = member<&S::shaping, &S::Shaping::resize_to>()},
    {.name = "preprocess.interpolation", .kind = Kind::choice,
     .choices = words(datasets::kInterpolations),
     .doc = "of preprocess.resize: what a new pixel is made of; mandatory with it, refused elsewhere",
     .member = optional_choice<datasets::kInterpolations, &S::shaping, &S::Shaping::interpolation>()},
    {.name = "preprocess.pad_value", .kind = Kind::integer, .integer_range = {0, 65535},
     .doc = "of resize letterbox: pixel value of what is added; mandatory there, refused elsewhere",
     .member = member<&S::shaping, &S::Shaping::pad_value>()},
    {.name = "preprocess.crop", .kind = Kind::integers, .integer_range = {1, 65536}, .items = {2, 2},
     .doc = "[height, width] that is cut from the centre, after preprocess.resize",
     .member = member<&S::shaping, &S::Shaping::crop>()},

    {.name = "preprocess.divide_by", .kind = Kind::real, .default_text = "255",
     .real_range = {.low = 0, .above_low = true},
     .doc = "input = (pixel / divide_by - mean) / std",
     .member = member<&S::preprocess, &Preprocess::divide_by>()},
    {.name = "preprocess.mean", .kind = Kind::reals, .default_text = "[0]",
     .doc = "one for all channels, or one for each",
     .member = member<&S::preprocess, &Preprocess::mean>()},
    {.name = "preprocess.std", .kind = Kind::reals, .default_text = "[1]",
     .real_range = {.low = 0, .above_low = true},
     .doc = "one for all channels, or one for each",
     .member = member<&S::preprocess, &Preprocess::stddev>()},
    {.name = "preprocess.channel_order", .kind = Kind::choice, .default_text = "rgb",
     .choices = words(datasets::kChannelOrders),
     .doc = "order of three channels in the input, mean and std",
     .member = choice<datasets::kChannelOrders, &S::preprocess, &Preprocess::channel_order>()},

    {.name = "augment", .kind = Kind::perturbations, .default_text = "[clean]",
     .doc = "perturbations of the images: each sample runs under each, with the same faults; such as "
            "[clean, fog/1-5, [rotate/2, gaussian_noise/3]], where 1-5 stands for one after the other "
            "and an inner list for steps that follow each other",
     .decides_faults = false,
     .member = perturbations()},

    {.name = "faults.file", .kind = Kind::path,
     .doc = "an existing fault set, instead of the other keys of this section",
     .of_campaign = true,
     .excludes_section = true,
     .member = member<&S::faults, &S::Faults::file>()},
    {.name = "faults.target", .kind = Kind::choice, .default_text = "neurons",
     .choices = words(faultgen::kTargets),
     .doc = "tensors that faults sit in",
     .member = choice<faultgen::kTargets, &S::faults, &S::Faults::target>()},
    {.name = "faults.model", .kind = Kind::choice, .default_text = "bit_flip",
     .choices = fault_model_words(),
     .doc = "what happens to a faulty bit or value",
     .member = fault_model()},
    {.name = "faults.bits", .kind = Kind::words, .default_text = "all",
     .doc = "bits to draw from: all, sign, exponent, mantissa, bits and ranges such as 23-30; bit 0 is "
            "the least significant",
     .member = member<&S::faults, &S::Faults::bits>()},
    {.name = "faults.bit_weights", .kind = Kind::reals, .real_range = {.low = 0},
     .doc = "how likely each of the bits is, lowest bit first; equally when not given",
     .member = member<&S::faults, &S::Faults::bit_weights>()},
    {.name = "faults.bits_per_fault", .kind = Kind::integer, .default_text = "1",
     .integer_range = {1, 32},
     .doc = "bits of one value that a fault hits",
     .member = member<&S::faults, &S::Faults::bits_per_fault>()},
    {.name = "faults.arrangement", .kind = Kind::choice, .default_text = "independent",
     .choices = words(faultgen::kArrangements),
     .doc = "how the bits of one fault lie",
     .member = choice<faultgen::kArrangements, &S::faults, &S::Faults::arrangement>()},
    {.name = "faults.mask", .kind = Kind::text,
     .doc = "these very bits, as in 0x7f800000, in place of drawn ones",
     .member = member<&S::faults, &S::Faults::mask>()},
    {.name = "faults.value", .kind = Kind::real,
     .doc = "value of model set_value; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::value>()},
    {.name = "faults.value_range", .kind = Kind::reals, .items = {2, 2},
     .doc = "[low, high] of model random_value; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::value_range>()},
    {.name = "faults.sigma", .kind = Kind::real, .real_range = {.low = 0, .above_low = true},
     .doc = "standard deviation of model gaussian; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::sigma>()},
    {.name = "faults.format", .kind = Kind::choice, .default_text = "fp32",
     .choices = words(faultgen::kNumberFormats),
     .doc = "how a faulty value is held: it is encoded, disturbed and decoded",
     .member = choice<faultgen::kNumberFormats, &S::faults, &S::Faults::format>()},
    {.name = "faults.scale", .kind = Kind::real, .real_range = {.low = 0, .above_low = true},
     .doc = "value of one step of format int8; when not given, the largest magnitude at each site "
            "/ 127",
     .member = member<&S::faults, &S::Faults::scale>()},
    {.name = "faults.zero_point", .kind = Kind::real,
     .real_range = {.low = -128, .high = 127},
     .doc = "what stands for 0 in format int8, a whole number; 0 when not given",
     .member = member<&S::faults, &S::Faults::zero_point>()},
    {.name = "faults.integer_bits", .kind = Kind::integer,
     .integer_range = {0, 32},
     .doc = "bits before the point of format fixed; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::integer_bits>()},
    {.name = "faults.fraction_bits", .kind = Kind::integer,
     .integer_range = {0, 32},
     .doc = "bits behind the point of format fixed; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::fraction_bits>()},
    {.name = "faults.draw", .kind = Kind::choice, .default_text = "elements",
     .choices = words(faultgen::kDraws),
     .doc = "how the place of a fault is drawn",
     .member = choice<faultgen::kDraws, &S::faults, &S::Faults::draw>()},
    {.name = "faults.kinds", .kind = Kind::words, .choices = words(faultgen::kSiteKinds),
     .doc = "kinds of sites to hit; when not given, convolutions and linear layers (running_means and "
            "running_vars: batch norms)",
     .member = choices<faultgen::kSiteKinds, &S::faults, &S::Faults::kinds>()},
    {.name = "faults.include", .kind = Kind::words,
     .doc = "sites to hit, by name: globs such as layer2.*, or regular expressions between slashes; "
            "all when not given",
     .member = member<&S::faults, &S::Faults::include>()},
    {.name = "faults.exclude", .kind = Kind::words,
     .doc = "sites not to hit, by name as in faults.include",
     .member = member<&S::faults, &S::Faults::exclude>()},
    {.name = "faults.indices", .kind = Kind::words,
     .doc = "sites to hit, by number or range as in 0-3, in the order of `bitquake model info`; all "
            "when not given",
     .member = member<&S::faults, &S::Faults::indices>()},
    {.name = "faults.site_weights", .kind = Kind::words,
     .doc = "with draw weighted_sites how likely sites are, as in conv1=3, fc*=1; the last that fits "
            "holds, other sites have 0",
     .member = member<&S::faults, &S::Faults::site_weights>()},
    {.name = "faults.pattern", .kind = Kind::choice, .default_text = "single",
     .choices = words(faultgen::kPatterns),
     .doc = "which words a fault hits together, all in the same bits",
     .member = choice<faultgen::kPatterns, &S::faults, &S::Faults::pattern>()},
    {.name = "faults.pattern_length", .kind = Kind::integer, .integer_range = {2, 1'000'000},
     .doc = "words of patterns consecutive and strided; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::pattern_length>()},
    {.name = "faults.pattern_stride", .kind = Kind::integer, .integer_range = {2, 1'000'000'000},
     .doc = "distance of the words of pattern strided; mandatory there, refused elsewhere",
     .member = member<&S::faults, &S::Faults::pattern_stride>()},
    {.name = "faults.per_group", .kind = Kind::integer, .integer_range = {1, 1'000'000},
     .doc = "faults that are present together in one inference; 1 when neither it nor a rate is given",
     .member = member<&S::faults, &S::Faults::per_group>()},
    {.name = "faults.fault_rate", .kind = Kind::real,
     .real_range = {.low = 0, .high = 1, .above_low = true},
     .doc = "in place of per_group: each element is hit with this probability",
     .member = member<&S::faults, &S::Faults::fault_rate>()},
    {.name = "faults.bit_error_rate", .kind = Kind::real,
     .real_range = {.low = 0, .high = 1, .above_low = true},
     .doc = "in place of per_group: each of the bits of each element is hit with this probability",
     .member = member<&S::faults, &S::Faults::bit_error_rate>()},
    {.name = "faults.active_probability", .kind = Kind::real, .default_text = "1",
     .real_range = {.low = 0, .high = 1, .above_low = true},
     .doc = "of an intermittent fault: it acts in a trial with this probability",
     .member = member<&S::faults, &S::Faults::active_probability>()},
    {.name = "faults.policy", .kind = Kind::choice, .default_text = "per_image",
     .choices = words(faultgen::kPolicies),
     .doc = "how groups of faults meet samples",
     .of_campaign = true,
     .member = choice<faultgen::kPolicies, &S::faults, &S::Faults::policy>()},
    {.name = "faults.batch_size", .kind = Kind::integer, .integer_range = {1, 1'000'000'000},
     .doc = "samples that share a group under policy per_batch; mandatory there, refused elsewhere",
     .of_campaign = true,
     .member = member<&S::faults, &S::Faults::batch_size>()},
    {.name = "faults.epochs", .kind = Kind::integer, .default_text = "1",
     .integer_range = {1, 1'000'000'000},
     .doc = "passes over the data set, each with new faults",
     .of_campaign = true,
     .member = member<&S::faults, &S::Faults::epochs>()},

    {.name = "sampling.method", .kind = Kind::choice, .default_text = "random",
     .choices = words(kSamplingMethods),
     .doc = "which faults of the fault space are taken",
     .member = choice<kSamplingMethods, &S::sampling, &S::Sampling::method>()},
    {.name = "sampling.margin", .kind = Kind::real,
     .real_range = {.low = 0, .high = 1, .above_low = true},
     .doc = "of method statistical: greatest error of a stratum's rate, absolute; 0.01 when not given",
     .member = member<&S::sampling, &S::Sampling::margin>()},
    {.name = "sampling.confidence", .kind = Kind::real,
     .real_range = {.low = 0.5, .high = 0.9999},
     .doc = "of method statistical: confidence of the margin; 0.99 when not given",
     .member = member<&S::sampling, &S::Sampling::confidence>()},
    {.name = "sampling.t", .kind = Kind::real, .real_range = {.low = 0, .above_low = true},
     .doc = "of method statistical: normal quantile in place of confidence; literature has 2.58 for 0.99",
     .member = member<&S::sampling, &S::Sampling::t>()},
    {.name = "sampling.strata", .kind = Kind::choice, .choices = words(faultgen::kStrataBy),
     .doc = "of method statistical: how the fault space is divided; network when not given",
     .member = optional_choice<faultgen::kStrataBy, &S::sampling, &S::Sampling::strata>()},
    {.name = "sampling.p", .kind = Kind::real, .real_range = {.low = 0, .high = 1},
     .doc = "of method statistical: rate assumed for the size of the sample; 0.5, the worst case, when "
            "not given",
     .member = member<&S::sampling, &S::Sampling::p>()},
    {.name = "sampling.data_aware", .kind = Kind::choice, .choices = words(kSwitches),
     .doc = "of method statistical, strata site_bit: assume for each bit a rate by how far its flip "
            "moves the weights, in place of p; off when not given",
     .member = optional_choice<kSwitches, &S::sampling, &S::Sampling::data_aware>()},
    {.name = "sampling.minimum", .kind = Kind::integer, .integer_range = {1, 1'000'000'000},
     .doc = "of method statistical: fewest faults of a stratum; 1 when not given",
     .member = member<&S::sampling, &S::Sampling::minimum>()},

    {.name = "run_type", .kind = Kind::choice, .default_text = "single",
     .choices = words(faultgen::kRunTypes),
     .doc = "which faults are present together in a trial",
     .member = choice<faultgen::kRunTypes, &S::run_type>()},
    {.name = "execution", .kind = Kind::choice, .default_text = "incremental",
     .choices = words(kExecutions),
     .doc = "how trials are computed; does not change results",
     .decides_results = false,
     .member = choice<kExecutions, &S::execution>()},
    part_key<&S::Incremental::prefix>(),
    part_key<&S::Incremental::masked_stop>(),
    part_key<&S::Incremental::noop>(),
    part_key<&S::Incremental::region>(),
    part_key<&S::Incremental::channel>(),
    part_key<&S::Incremental::prepared_weights>(),
    {.name = "padded_batch", .kind = Kind::integer, .default_text = "16",
     .integer_range = {1, 4096},
     .doc = "rows of every inference; part of the numbers, so fixed for a campaign",
     .member = member<&S::padded_batch>()},
    {.name = "unit_samples", .kind = Kind::integer, .default_text = "64",
     .integer_range = {1, 1'000'000},
     .doc = "samples of one unit of work; does not change results",
     .decides_results = false,
     .member = member<&S::unit_samples>()},
    {.name = "memory_budget_mib", .kind = Kind::integer, .integer_range = {1, 1'000'000'000},
     .doc = "memory for the units at work at once, in MiB; a quarter of the machine's when not given",
     .decides_results = false,
     .member = member<&S::memory_budget_mib>()},
    {.name = "audit", .kind = Kind::choice, .default_text = "on",
     .choices = words(kSwitches),
     .doc = "at the end run some trials again with the whole network and compare (exit code 8)",
     .decides_results = false,
     .member = choice<kSwitches, &S::audit>()},
    {.name = "monitor", .kind = Kind::choice, .default_text = "all",
     .choices = words(kMonitorScopes),
     .doc = "tensors watched for NaN and Inf",
     .member = choice<kMonitorScopes, &S::monitor>()},
    {.name = "deviation", .kind = Kind::choice, .default_text = "off",
     .choices = words(kSwitches),
     .doc = "record how far each monitored tensor is from the golden run: /deviations of trials.h5, kpi/propagation.csv",
     .member = choice<kSwitches, &S::deviation>()},

    {.name = "variants.name", .kind = Kind::text,
     .doc = "name of a modified network in tables; its protection, or the name of its file, when not given",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::name>()},
    {.name = "variants.protection", .kind = Kind::choice, .choices = words(kProtections),
     .doc = "what is done to the network of model.file",
     .decides_faults = false,
     .member = optional_choice<kProtections, &S::variant, &S::Variant::protection>()},
    {.name = "variants.model", .kind = Kind::path,
     .doc = "another TorchScript model in place of model.file: retrained, pruned or statically quantised (output sites only), with its sites",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::model>()},
    {.name = "variants.site_map", .kind = Kind::words,
     .doc = "of variants.model: sites that have another name there, as `name of model.file = name there`",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::site_map>()},
    {.name = "variants.bounds", .kind = Kind::path,
     .doc = "file that `bitquake bounds` wrote, or bounds of PyTorchALFI as text; of protections by bounds",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::bounds>()},
    {.name = "variants.bounds_per", .kind = Kind::choice, .choices = words(kBoundsScopes),
     .doc = "what each pair of bounds holds for; site when not given",
     .decides_faults = false,
     .member = optional_choice<kBoundsScopes, &S::variant, &S::Variant::bounds_per>()},
    {.name = "variants.non_finite", .kind = Kind::choice, .choices = words(kNonFinites),
     .doc = "what protections by bounds do with NaN and Inf; sanitise when not given",
     .decides_faults = false,
     .member = optional_choice<kNonFinites, &S::variant, &S::Variant::non_finite>()},
    {.name = "variants.tolerance_factor", .kind = Kind::real, .real_range = {.low = 1, .high = 1e6},
     .doc = "of abft: alarm above this many times the largest error of the checksum on the first clean "
            "samples; 2 when not given",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::tolerance_factor>()},
    {.name = "variants.channels", .kind = Kind::words,
     .doc = "of duplicate and tmr: output channels of the protected sites that are computed again, as in "
            "[0, 3, 8-11]; all when not given",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::channels>()},
    {.name = "variants.kinds", .kind = Kind::words, .choices = words(faultgen::kSiteKinds),
     .doc = "kinds of sites that are protected; when not given, activation functions (by bounds; "
            "average: those with feature maps), or convolutions and linear layers (all others)",
     .decides_faults = false,
     .member = choices<faultgen::kSiteKinds, &S::variant, &S::Variant::kinds>()},
    {.name = "variants.include", .kind = Kind::words,
     .doc = "sites that are protected, by name as in faults.include; all when not given",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::include>()},
    {.name = "variants.exclude", .kind = Kind::words,
     .doc = "sites that are not protected, by name as in faults.include",
     .decides_faults = false,
     .member = member<&S::variant, &S::Variant::exclude>()},

    {.name = "statistics.interval", .kind = Kind::choice, .default_text = "wilson",
     .choices = words(metrics::kIntervalMethods),
     .doc = "interval of a rate",
     .member = choice<metrics::kIntervalMethods, &S::statistics, &S::Statistics::interval>()},
    {.name = "statistics.confidence", .kind = Kind::real, .default_text = "0.95",
     .real_range = {.low = 0.5, .high = 0.9999},
     .doc = "confidence of intervals, two-sided",
     .member = member<&S::statistics, &S::Statistics::confidence>()},

    {.name = "statistics.corruption_baseline", .kind = Kind::path,
     .doc = "CSV file with columns corruption,severity,error, such as another run's kpi/corruption_error.csv: "
            "top-1 errors that those under augment are related to",
     .decides_faults = false,
     .member = member<&S::statistics, &S::Statistics::corruption_baseline>()},

    {.name = "fit.raw_fit_per_mbit", .kind = Kind::real,
     .real_range = {.low = 0, .high = 1e12, .above_low = true},
     .doc = "failures in 1e9 hours of 1e6 bits of the memory that faults are in, unprotected: with it the "
            "tables carry rates on to FIT",
     .decides_faults = false,
     .member = member<&S::fit, &S::Fit::raw_fit_per_mbit>()},
    {.name = "fit.derating", .kind = Kind::real, .real_range = {.low = 0, .high = 1},
     .doc = "share of upsets that become a fault as injected; 1, the cautious choice, when not given",
     .decides_faults = false,
     .member = member<&S::fit, &S::Fit::derating>()},

    {.name = "expect.golden_top1", .kind = Kind::real, .real_range = {.low = 0, .high = 1},
     .doc = "least golden top-1 accuracy under the first perturbation, a fraction: below it no trial is "
            "run (exit code 5)",
     .member = member<&S::expect, &S::Expect::golden_top1>()},
  };
}
// clang-format on

using Variant = Scenario::Variant;

constexpr auto kVariantHint = "give each variant its own variants.name";
constexpr auto kProtectionHint = "remove it, or choose another variants.protection";

/// Two variants need two names. Looks at the items in front of this one.
std::string name_violation(const Scenario& s, std::string_view key) {
  const std::string label = s.variant.label();
  const auto same = [&](const Variant& other) {
    return &other != &s.variant && other.label() == label;
  };
  if (label != kOriginal && std::none_of(s.more_variants.begin(), s.more_variants.end(), same)) {
    return "";
  }
  return fmt::format("{}: a variant named {} is there already", key, label);
}

std::string variant_violation(const Scenario& s, std::string_view key) {
  if (!s.variant.given()) return fmt::format("{}: neither a protection nor a model", key);
  return name_violation(s, key);
}

/// A key belongs to some protections only.
std::string of_protection(const Scenario& s, std::string_view key, bool (*takes)(Protection)) {
  const auto& protection = s.variant.protection;
  if (protection && takes(*protection)) return "";
  return protection
             ? fmt::format("{}: does not apply to {}", key, name_of(kProtections, *protection))
             : fmt::format("{}: needs variants.protection", key);
}

/// Why a list of numbers per channel does not fit the model's input; empty when it does.
std::string channel_mismatch(const Scenario& s, const std::vector<double>& list,
                             std::string_view name) {
  // Without a valid model.input there is nothing to compare with.
  if (s.model.input.empty() || list.size() == 1) return "";
  const auto channels = static_cast<std::size_t>(s.model.input[0]);
  if (list.size() == channels) return "";
  return fmt::format("{}: {} numbers for {} channel{} of model.input", name, list.size(), channels,
                     channels == 1 ? "" : "s");
}

/// A key belongs to some formats only.
template <DataFormat... Formats>
std::string only_in(const Scenario& s, std::string_view key) {
  if (((s.data.format == Formats) || ...)) return "";
  return fmt::format("{}: does not apply to format {}", key, name_of(kDataFormats, s.data.format));
}

std::string format_needs(const Scenario& s) {
  const auto& data = s.data;
  const char* missing = data.format == DataFormat::coco && !data.annotations     ? "annotations"
                        : data.format == DataFormat::cifar100 && !data.label_set ? "label_set"
                        : data.images_dataset && !data.layout                    ? "layout"
                                                                                 : nullptr;
  if (missing == nullptr) return "";
  return fmt::format("data.format: {} needs data.{}", name_of(kDataFormats, data.format), missing);
}

/// Samples are chosen in one way only.
std::string choice_violation(const Scenario& s, std::string_view key) {
  const bool both = !s.data.ids.empty() && s.data.ids_file;
  const bool counted = s.data.samples || s.data.order != datasets::Order::first;
  if (!both && !counted) return "";
  return fmt::format("{}: cannot be given together with {}", key,
                     counted ? "data.samples or data.order" : "another list of ids");
}

std::string on_bad_sample_violation(const Scenario& s) {
  if (s.data.on_bad_sample == OnBadSample::error) return "";
  return only_in<DataFormat::image_folder, DataFormat::coco, DataFormat::voc>(s,
                                                                              "data.on_bad_sample");
}

std::string resize_violation(const Scenario& s) {
  const auto& shaping = s.shaping;
  const std::string_view name = name_of(datasets::kResizes, *shaping.resize);
  const char* missing = shaping.resize_to.empty() ? "resize_to"
                        : !shaping.interpolation  ? "interpolation"
                        : *shaping.resize == datasets::Resize::letterbox && !shaping.pad_value
                            ? "pad_value"
                            : nullptr;
  return missing == nullptr
             ? std::string()
             : fmt::format("preprocess.resize: {} needs preprocess.{}", name, missing);
}

std::string without_resize(const Scenario& s, std::string_view key) {
  return s.shaping.resize ? std::string() : fmt::format("{}: there is no preprocess.resize", key);
}

std::string resize_to_violation(const Scenario& s) {
  if (!s.shaping.resize) return without_resize(s, "preprocess.resize_to");
  const std::size_t wanted = *s.shaping.resize == datasets::Resize::short_side ? 1 : 2;
  if (s.shaping.resize_to.size() == wanted) return "";
  return fmt::format("preprocess.resize_to: {} numbers, resize {} needs {}",
                     s.shaping.resize_to.size(), name_of(datasets::kResizes, *s.shaping.resize),
                     wanted == 1 ? "one: the shorter side" : "two: [height, width]");
}

using Format = faultgen::NumberFormat;
using Faults = Scenario::Faults;

bool of_bits(const ModelChoice& choice) {
  return choice.either_stuck_at || faultgen::fault_model_info(choice.model).bits != nullptr;
}

std::string_view word_of(const ModelChoice& choice) {
  return choice.either_stuck_at ? kEitherStuckAt : name_of(faultgen::fault_models(), choice.model);
}

std::string prefixed(std::string_view key, const Error& error) {
  return fmt::format("{}: {}", key, error.what);
}

/// Why the bits are none; [23, 30] is refused, because some read a range in it.
std::string bits_violation(const Faults& f) {
  const auto plain = [](const std::string& item) {
    return item.find_first_not_of("0123456789") == std::string::npos;
  };
  if (f.bits.size() == 2 && plain(f.bits[0]) && plain(f.bits[1])) {
    return fmt::format("faults.bits: [{}, {}] can mean a range or two bits", f.bits[0], f.bits[1]);
  }
  if (!of_bits(f.model) && f.bits != std::vector<std::string>{"all"}) {
    return fmt::format("faults.bits: does not apply to model {}", word_of(f.model));
  }
  const auto bits = faultgen::bits_of(f.bits, storage_of(f));
  return bits ? std::string() : prefixed("faults.bits", bits.error());
}

std::string mask_violation(const Faults& f) {
  if (!f.mask) return "";
  if (!of_bits(f.model)) {
    return fmt::format("faults.mask: does not apply to model {}", word_of(f.model));
  }
  if (f.bits != std::vector<std::string>{"all"} || f.bits_per_fault != 1) {
    return "faults.mask: cannot be given together with faults.bits or faults.bits_per_fault";
  }
  const auto mask = faultgen::parse_mask(*f.mask, storage_of(f));
  return mask ? std::string() : prefixed("faults.mask", mask.error());
}

std::string bit_weights_violation(const Faults& f) {
  if (f.bits_per_fault != 1 || f.mask || !of_bits(f.model) || f.bit_error_rate) {
    return "faults.bit_weights: are for faults of one drawn bit";
  }
  const auto bits = faultgen::bits_of(f.bits, storage_of(f));
  if (bits && bits->size() != f.bit_weights.size()) {
    return fmt::format("faults.bit_weights: {} numbers for {} bits", f.bit_weights.size(),
                       bits->size());
  }
  const bool all_zero = std::all_of(f.bit_weights.begin(), f.bit_weights.end(),
                                    [](double weight) { return weight == 0; });
  return all_zero ? "faults.bit_weights: all are 0" : "";
}

std::string bits_per_fault_violation(const Faults& f) {
  if (f.bits_per_fault == 1) return "";
  if (!of_bits(f.model) || f.bit_error_rate) {
    return "faults.bits_per_fault: does not apply to models of whole values and bit-error rates";
  }
  const auto bits = faultgen::bits_of(f.bits, storage_of(f));
  return bits && bits->size() < f.bits_per_fault
             ? fmt::format("faults.bits_per_fault: {} of {} bits", f.bits_per_fault, bits->size())
             : "";
}

faultgen::ValueSource source_of(const Faults& f) {
  return f.model.either_stuck_at ? faultgen::ValueSource::none
                                 : faultgen::fault_model_info(f.model.model).source;
}

std::string missing_value(const Faults& f) {
  using faultgen::ValueSource;
  const ValueSource source = source_of(f);
  const char* missing = source == ValueSource::given && !f.value                  ? "value"
                        : source == ValueSource::uniform && f.value_range.empty() ? "value_range"
                        : source == ValueSource::normal && !f.sigma               ? "sigma"
                                                                                  : nullptr;
  return missing == nullptr
             ? std::string()
             : fmt::format("faults.model: {} needs faults.{}", word_of(f.model), missing);
}

/// A value can be given only to the model that needs it.
std::string misplaced_value(const Faults& f, faultgen::ValueSource needed, std::string_view key) {
  if (source_of(f) == needed) return "";
  return fmt::format("{}: does not apply to model {}", key, word_of(f.model));
}

std::string format_violation(const Faults& f) {
  if (f.format == Format::fixed && (!f.integer_bits || !f.fraction_bits)) {
    return "faults.format: fixed needs faults.integer_bits and faults.fraction_bits";
  }
  const auto wrong = faultgen::malformed(storage_of(f));
  return wrong ? prefixed("faults.format", *wrong) : "";
}

std::string only_with_format(const Faults& f, Format format, std::string_view key) {
  if (f.format == format) return "";
  return fmt::format("{}: does not apply to format {}", key,
                     name_of(faultgen::kNumberFormats, f.format));
}

std::string pattern_violation(std::string_view key, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    try {
      faultgen::matches(pattern, "");
    } catch (const std::regex_error&) {
      return fmt::format("{}: '{}' is no regular expression", key, pattern);
    }
  }
  return "";
}

std::string site_weights_violation(const Faults& f) {
  if (f.draw != faultgen::Draw::weighted_sites) {
    return fmt::format("faults.site_weights: does not apply to draw {}",
                       name_of(faultgen::kDraws, f.draw));
  }
  const auto weights = site_weights(f.site_weights);
  if (!weights) return prefixed("faults.site_weights", weights.error());
  for (const auto& [pattern, weight] : *weights) {
    std::string wrong = pattern_violation("faults.site_weights", {pattern});
    if (!wrong.empty()) return wrong;
  }
  return "";
}

constexpr std::string_view kRateHint =
    "one of per_group, fault_rate and bit_error_rate, with draw elements and pattern single";

std::string rate_violation(const Faults& f, std::string_view key) {
  if (f.per_group || (f.fault_rate && f.bit_error_rate)) {
    return fmt::format("faults.{}: cannot be given together with another number of faults", key);
  }
  if (f.draw != faultgen::Draw::elements || f.pattern != faultgen::Pattern::single) {
    return fmt::format("faults.{}: a rate is the same for all elements", key);
  }
  if (!f.bit_error_rate) return "";
  return of_bits(f.model) && !f.mask
             ? std::string()
             : std::string("faults.bit_error_rate: is for drawn bits of a model of bits");
}

std::string sampling_violation(const Scenario& s) {
  const SamplingMethod method = s.sampling.method;
  if (method == SamplingMethod::random) return "";
  const std::string_view name = name_of(kSamplingMethods, method);
  if (!s.more_faults.empty()) {
    return fmt::format("sampling.method: {} is for one kind of faults", name);
  }
  if (s.run_type == faultgen::RunType::accumulate &&
      method != SamplingMethod::without_replacement) {
    return fmt::format("sampling.method: {} does not go with run_type accumulate", name);
  }
  const bool follows = method != SamplingMethod::without_replacement;
  return follows && s.faults.epochs != 1
             ? fmt::format(
                   "sampling.method: with {} faults.epochs follows from the number of faults", name)
             : "";
}

/// A key that says how large a statistical sample is.
Rule of_statistical(std::string_view key) {
  return {key,
          [](const Scenario& s) {
            return s.sampling.method == SamplingMethod::statistical
                       ? std::string()
                       : fmt::format("does not apply to sampling.method {}",
                                     name_of(kSamplingMethods, s.sampling.method));
          },
          "remove it, or set sampling.method: statistical"};
}

std::string data_aware_violation(const Scenario& s) {
  const bool statistical = s.sampling.method == SamplingMethod::statistical;
  if (!s.sampling.data_aware.value_or(false) || !statistical) return "";  // said elsewhere
  const Faults& f = s.faults;
  const bool fits = f.target == faultgen::Target::weight && f.format == Format::fp32 &&
                    of_bits(f.model) && !f.mask && !s.sampling.p &&
                    s.sampling.strata == faultgen::StrataBy::site_bit;
  return fits ? "" : "sampling.data_aware: does not apply to these faults";
}

/// A part can be left out only where there are parts.
template <auto Member>
Rule part_rule() {
  constexpr const IncrementalPart& kPart = part_of(Member);
  return {kPart.key,
          [](const Scenario& s) {
            if (s.incremental.*Member || s.execution == Execution::incremental)
              return std::string();
            return fmt::format("{}: off does not apply to execution {}", kPart.key,
                               name_of(kExecutions, s.execution));
          },
          "remove it, or set execution: incremental"};
}

}  // namespace

std::string_view Key::section() const {
  const auto dot = name.find('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(0, dot);
}

std::string_view Key::leaf() const { return name.substr(name.find('.') + 1); }

const std::vector<Key>& keys() {
  static const std::vector<Key> table = make_keys();
  return table;
}

const Key* find_key(std::string_view name) {
  for (const Key& key : keys()) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

namespace {

/// FIT belong to bits: what a fault is must be one of them.
std::string fit_violation(const Scenario& s) {
  const Scenario::Faults& f = s.faults;
  const bool one_kind = !f.file && s.more_faults.empty();
  const bool one_bit =
      of_bits(f.model) && f.bits_per_fault == 1 && !f.mask && f.bit_weights.empty();
  const bool one_value = f.pattern == faultgen::Pattern::single && f.per_group.value_or(1) == 1 &&
                         !f.fault_rate && !f.bit_error_rate;
  const bool single = s.run_type == faultgen::RunType::single;
  if (one_kind && one_bit && one_value && single) return "";
  return "fit.raw_fit_per_mbit: is for campaigns of single-bit faults";
}

}  // namespace

const ListSection* find_list_section(std::string_view name) {
  const auto* const found =
      std::find_if(kListSections.begin(), kListSections.end(),
                   [&](const ListSection& list) { return list.name == name; });
  return found == kListSections.end() ? nullptr : found;
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> table{
      {"data.format", [](const Scenario& s) { return format_needs(s); }, "add it"},
      {"data.images",
       [](const Scenario& s) {
         const bool several =
             s.data.format == DataFormat::cifar10 || s.data.format == DataFormat::cifar100;
         return s.data.more_images.empty() || several
                    ? std::string()
                    : fmt::format("data.images: format {} has one",
                                  name_of(kDataFormats, s.data.format));
       },
       "name one file or folder; several files are for cifar10 and cifar100"},
      {"data.labels",
       [](const Scenario& s) {
         return s.data.labels ? only_in<DataFormat::idx, DataFormat::npy>(s, "data.labels")
                              : std::string();
       },
       "remove it: only idx and npy have labels in a file of their own"},
      {"data.annotations",
       [](const Scenario& s) { return only_in<DataFormat::coco>(s, "data.annotations"); },
       "remove it, or set data.format: coco"},
      {"data.list",
       [](const Scenario& s) {
         return only_in<DataFormat::image_folder, DataFormat::voc>(s, "data.list");
       },
       "remove it, or set data.format: image_folder or voc"},
      {"data.classes",
       [](const Scenario& s) {
         return only_in<DataFormat::idx, DataFormat::cifar10, DataFormat::cifar100, DataFormat::npy,
                        DataFormat::image_folder, DataFormat::voc, DataFormat::hdf5>(
             s, "data.classes");
       },
       "remove it: coco has names in its annotations"},
      {"data.label_set",
       [](const Scenario& s) { return only_in<DataFormat::cifar100>(s, "data.label_set"); },
       "remove it, or set data.format: cifar100"},
      {"data.severity",
       [](const Scenario& s) { return only_in<DataFormat::npy>(s, "data.severity"); },
       "remove it, or set data.format: npy"},
      {"data.images_dataset",
       [](const Scenario& s) {
         std::string other = only_in<DataFormat::hdf5>(s, "data.images_dataset");
         if (!other.empty() || !s.data.classes || s.data.labels_dataset) return other;
         return std::string("data.images_dataset: data.classes without data.labels_dataset");
       },
       "remove it, or set data.format: hdf5; class names go with data.labels_dataset"},
      {"data.labels_dataset",
       [](const Scenario& s) {
         return s.data.images_dataset ? std::string()
                                      : std::string(
                                            "data.labels_dataset: there is no "
                                            "data.images_dataset");
       },
       "add data.images_dataset, or remove it"},
      {"data.layout",
       [](const Scenario& s) {
         return s.data.images_dataset ? std::string()
                                      : std::string("data.layout: there is no data.images_dataset");
       },
       "add data.images_dataset, or remove it"},
      {"data.perturbation",
       [](const Scenario& s) {
         std::string other = only_in<DataFormat::hdf5>(s, "data.perturbation");
         if (!other.empty() || !s.data.perturbation || !s.data.images_dataset) return other;
         return std::string("data.perturbation: given together with data.images_dataset");
       },
       "remove it: it is for HDF5 files of bitquake augment"},
      {"data.ids", [](const Scenario& s) { return choice_violation(s, "data.ids"); },
       "choose samples in one way: samples and order, ids, or ids_file"},
      {"data.ids_file", [](const Scenario& s) { return choice_violation(s, "data.ids_file"); },
       "choose samples in one way: samples and order, ids, or ids_file"},
      {"data.order",
       [](const Scenario& s) {
         return s.data.order == datasets::Order::stratified && !s.data.labelled()
                    ? std::string("data.order: stratified needs labels")
                    : std::string();
       },
       "give labels, or set data.order: random"},
      {"data.on_bad_sample", [](const Scenario& s) { return on_bad_sample_violation(s); },
       "remove it: the other formats are read and checked as a whole"},
      {"data.max_pixels",
       [](const Scenario& s) {
         return only_in<DataFormat::image_folder, DataFormat::coco, DataFormat::voc>(
             s, "data.max_pixels");
       },
       "remove it: only image files are decoded"},
      {"preprocess.resize", [](const Scenario& s) { return resize_violation(s); }, "add it"},
      {"preprocess.resize_to", [](const Scenario& s) { return resize_to_violation(s); },
       "as in resize: short_side, resize_to: [256], or resize: exact, resize_to: [224, 224]"},
      {"preprocess.interpolation",
       [](const Scenario& s) { return without_resize(s, "preprocess.interpolation"); },
       "add preprocess.resize, or remove it"},
      {"preprocess.pad_value",
       [](const Scenario& s) {
         return s.shaping.resize == datasets::Resize::letterbox
                    ? std::string()
                    : std::string("preprocess.pad_value: is for preprocess.resize letterbox");
       },
       "remove it, or set preprocess.resize: letterbox"},
      {"preprocess.channel_order",
       [](const Scenario& s) {
         const bool swapped = s.preprocess.channel_order != datasets::ChannelOrder::rgb;
         return swapped && !s.model.input.empty() && s.model.input[0] != 3
                    ? std::string("preprocess.channel_order: the model has no three channels")
                    : std::string();
       },
       "remove it"},
      {"preprocess.mean",
       [](const Scenario& s) { return channel_mismatch(s, s.preprocess.mean, "preprocess.mean"); },
       "give one number for all channels, or one for each"},
      {"preprocess.std",
       [](const Scenario& s) { return channel_mismatch(s, s.preprocess.stddev, "preprocess.std"); },
       "give one number for all channels, or one for each"},
      {"fit.raw_fit_per_mbit", [](const Scenario& s) { return fit_violation(s); },
       "a fault must be one bit of one value, drawn like all others: no file, rates, masks, "
       "patterns, "
       "bit_weights or second kind, and run_type: single"},
      {"fit.derating",
       [](const Scenario& s) {
         return s.fit.raw_fit_per_mbit ? std::string()
                                       : std::string("fit.derating: needs fit.raw_fit_per_mbit");
       },
       "add it"},
      {"variants.name", [](const Scenario& s) { return variant_violation(s, "variants.name"); },
       "give each variant its own variants.name, and variants.protection or variants.model"},
      {"variants.protection",
       [](const Scenario& s) {
         const Variant& v = s.variant;
         if (v.model)
           return std::string("variants.protection: cannot be given with variants.model");
         if (by_bounds(*v.protection) && !v.bounds) {
           return fmt::format("variants.protection: {} needs variants.bounds",
                              name_of(kProtections, *v.protection));
         }
         return v.name ? std::string() : name_violation(s, "variants.protection");
       },
       "a variant is a protection or another file, two of a kind need variants.name; `bitquake "
       "bounds` measures bounds"},
      {"variants.model",
       [](const Scenario& s) {
         return s.variant.name ? std::string() : name_violation(s, "variants.model");
       },
       kVariantHint},
      {"variants.site_map",
       [](const Scenario& s) {
         if (!s.variant.model) return std::string("variants.site_map: is for variants.model");
         for (const std::string& item : s.variant.site_map) {
           if (split_pair(item)) continue;
           return fmt::format("variants.site_map: '{}' is no pair", item);
         }
         return std::string();
       },
       "write [features.0 = conv1, features.3 = conv2]: the original's name, then the variant's"},
      {"variants.bounds",
       [](const Scenario& s) { return of_protection(s, "variants.bounds", &by_bounds); },
       kProtectionHint},
      {"variants.bounds_per",
       [](const Scenario& s) { return of_protection(s, "variants.bounds_per", &by_bounds); },
       kProtectionHint},
      {"variants.non_finite",
       [](const Scenario& s) { return of_protection(s, "variants.non_finite", &by_bounds); },
       kProtectionHint},
      {"variants.tolerance_factor",
       [](const Scenario& s) {
         return of_protection(s, "variants.tolerance_factor",
                              [](Protection p) { return p == Protection::abft; });
       },
       kProtectionHint},
      {"variants.channels",
       [](const Scenario& s) {
         std::string wrong = of_protection(s, "variants.channels", [](Protection p) {
           return p == Protection::duplicate || p == Protection::tmr;
         });
         if (!wrong.empty()) return wrong;
         const auto channels = channels_of(s.variant.channels);
         return channels ? wrong : "variants.channels: " + channels.error().what;
       },
       "numbers from 0 on and inclusive ranges, as in [0, 3, 8-11], of protection duplicate or "
       "tmr"},
      {"variants.kinds",
       [](const Scenario& s) {
         return of_protection(s, "variants.kinds", [](Protection) { return true; });
       },
       kProtectionHint},
      {"variants.include",
       [](const Scenario& s) {
         std::string wrong = of_protection(s, "variants.include", [](Protection) { return true; });
         return wrong.empty() ? pattern_violation("variants.include", s.variant.include) : wrong;
       },
       "as in [conv1, 'layer?.*', '/^fc[0-9]+$/']"},
      {"variants.exclude",
       [](const Scenario& s) {
         std::string wrong = of_protection(s, "variants.exclude", [](Protection) { return true; });
         return wrong.empty() ? pattern_violation("variants.exclude", s.variant.exclude) : wrong;
       },
       "as in [conv1, 'layer?.*', '/^fc[0-9]+$/']"},
      {"faults.bits", [](const Scenario& s) { return bits_violation(s.faults); },
       "bit 0 is the least significant; for a range write 23-30, for two bits 23-23, 30-30"},
      {"faults.mask", [](const Scenario& s) { return mask_violation(s.faults); },
       "write it as in 0x7f800000, for a model of bits, without faults.bits_per_fault"},
      {"faults.bit_weights", [](const Scenario& s) { return bit_weights_violation(s.faults); },
       "one number for each bit of faults.bits, lowest first, for single drawn bits"},
      {"faults.bits_per_fault",
       [](const Scenario& s) { return bits_per_fault_violation(s.faults); },
       "ask for fewer bits, or choose more with faults.bits"},
      {"faults.model", [](const Scenario& s) { return missing_value(s.faults); }, "add it"},
      {"faults.value",
       [](const Scenario& s) {
         return misplaced_value(s.faults, faultgen::ValueSource::given, "faults.value");
       },
       "remove it, or set faults.model: set_value"},
      {"faults.sigma",
       [](const Scenario& s) {
         return misplaced_value(s.faults, faultgen::ValueSource::normal, "faults.sigma");
       },
       "remove it, or set faults.model: gaussian"},
      {"faults.value_range",
       [](const Scenario& s) {
         const auto& range = s.faults.value_range;
         if (range.size() == 2 && range[0] > range[1]) {
           return std::string("faults.value_range: low is above high");
         }
         return misplaced_value(s.faults, faultgen::ValueSource::uniform, "faults.value_range");
       },
       "[low, high], with faults.model: random_value"},
      {"faults.format", [](const Scenario& s) { return format_violation(s.faults); },
       "give faults.integer_bits and faults.fraction_bits with format fixed"},
      {"faults.scale",
       [](const Scenario& s) { return only_with_format(s.faults, Format::int8, "faults.scale"); },
       "remove it, or set faults.format: int8"},
      {"faults.zero_point",
       [](const Scenario& s) {
         const double zero = s.faults.zero_point.value_or(0);
         if (zero != std::floor(zero)) {
           return std::string("faults.zero_point: must be a whole number");
         }
         return only_with_format(s.faults, Format::int8, "faults.zero_point");
       },
       "a whole number from -128 to 127, with faults.format: int8"},
      {"faults.integer_bits",
       [](const Scenario& s) {
         return only_with_format(s.faults, Format::fixed, "faults.integer_bits");
       },
       "remove it, or set faults.format: fixed"},
      {"faults.fraction_bits",
       [](const Scenario& s) {
         return only_with_format(s.faults, Format::fixed, "faults.fraction_bits");
       },
       "remove it, or set faults.format: fixed"},
      {"faults.include",
       [](const Scenario& s) { return pattern_violation("faults.include", s.faults.include); },
       "a glob such as layer2.*, or a regular expression between slashes"},
      {"faults.exclude",
       [](const Scenario& s) { return pattern_violation("faults.exclude", s.faults.exclude); },
       "a glob such as layer2.*, or a regular expression between slashes"},
      {"faults.indices",
       [](const Scenario& s) {
         return index_ranges(s.faults.indices)
                    ? std::string()
                    : std::string("faults.indices: expected numbers and ranges");
       },
       "numbers and ranges as in 0-3, low one first"},
      {"faults.site_weights", [](const Scenario& s) { return site_weights_violation(s.faults); },
       "write them as in [conv1=3, fc*=1]"},
      {"faults.draw",
       [](const Scenario& s) {
         return s.faults.draw == faultgen::Draw::weighted_sites && s.faults.site_weights.empty()
                    ? std::string("faults.draw: weighted_sites without faults.site_weights")
                    : std::string();
       },
       "add faults.site_weights"},
      {"faults.pattern",
       [](const Scenario& s) {
         using faultgen::Pattern;
         const Pattern pattern = s.faults.pattern;
         const bool strided = pattern == Pattern::strided;
         if ((strided || pattern == Pattern::consecutive) && !s.faults.pattern_length) {
           return fmt::format("faults.pattern: {} needs faults.pattern_length",
                              name_of(faultgen::kPatterns, pattern));
         }
         return strided && !s.faults.pattern_stride
                    ? std::string("faults.pattern: strided needs faults.pattern_stride")
                    : std::string();
       },
       "add it"},
      {"faults.pattern_length",
       [](const Scenario& s) {
         using faultgen::Pattern;
         return s.faults.pattern == Pattern::strided || s.faults.pattern == Pattern::consecutive
                    ? std::string()
                    : fmt::format("faults.pattern_length: does not apply to pattern {}",
                                  name_of(faultgen::kPatterns, s.faults.pattern));
       },
       "remove it, or set faults.pattern: consecutive or strided"},
      {"faults.pattern_stride",
       [](const Scenario& s) {
         return s.faults.pattern == faultgen::Pattern::strided
                    ? std::string()
                    : fmt::format("faults.pattern_stride: does not apply to pattern {}",
                                  name_of(faultgen::kPatterns, s.faults.pattern));
       },
       "remove it, or set faults.pattern: strided"},
      {"faults.fault_rate",
       [](const Scenario& s) { return rate_violation(s.faults, "fault_rate"); }, kRateHint},
      {"faults.bit_error_rate",
       [](const Scenario& s) { return rate_violation(s.faults, "bit_error_rate"); }, kRateHint},
      {"faults.active_probability",
       [](const Scenario& s) {
         return s.faults.active_probability < 1 && s.faults.policy == faultgen::Policy::per_image
                    ? std::string(
                          "faults.active_probability: does not go with policy per_image, "
                          "where each fault meets one inference")
                    : std::string();
       },
       "set faults.policy to per_batch or per_epoch, or remove the key"},
      {"faults.policy",
       [](const Scenario& s) {
         const bool needed = s.faults.policy == faultgen::Policy::per_batch;
         return needed && !s.faults.batch_size && !s.faults.file
                    ? std::string("faults.policy: per_batch without faults.batch_size")
                    : std::string();
       },
       "add faults.batch_size: the number of consecutive samples that meet the same faults"},
      {"faults.batch_size",
       [](const Scenario& s) {
         return s.faults.batch_size && s.faults.policy != faultgen::Policy::per_batch
                    ? fmt::format("faults.batch_size: does not apply to policy {}",
                                  name_of(faultgen::kPolicies, s.faults.policy))
                    : std::string();
       },
       "remove it, or set faults.policy: per_batch"},
      {"sampling.method", [](const Scenario& s) { return sampling_violation(s); },
       "give one kind of faults and run_type single, and leave faults.epochs out"},
      of_statistical("sampling.margin"),
      of_statistical("sampling.confidence"),
      of_statistical("sampling.t"),
      of_statistical("sampling.strata"),
      of_statistical("sampling.p"),
      of_statistical("sampling.data_aware"),
      of_statistical("sampling.minimum"),
      {"sampling.t",
       [](const Scenario& s) {
         return s.sampling.confidence
                    ? std::string("sampling.t: cannot be given together with sampling.confidence")
                    : std::string();
       },
       "remove one of the two"},
      {"sampling.data_aware", [](const Scenario& s) { return data_aware_violation(s); },
       "it is for bit_flip or stuck_at faults of fp32 weights, strata site_bit, without "
       "sampling.p"},
      part_rule<&S::Incremental::prefix>(),
      part_rule<&S::Incremental::masked_stop>(),
      part_rule<&S::Incremental::noop>(),
      part_rule<&S::Incremental::region>(),
      part_rule<&S::Incremental::channel>(),
      part_rule<&S::Incremental::prepared_weights>(),
      {"statistics.corruption_baseline",
       [](const Scenario& s) {
         if (!s.statistics.corruption_baseline) return std::string();
         if (!s.data.labelled()) {
           return std::string("statistics.corruption_baseline: the data has no labels");
         }
         const auto& all = s.perturbations;
         return std::any_of(all.begin(), all.end(), augment::common_corruption)
                    ? std::string()
                    : std::string(
                          "statistics.corruption_baseline: augment has no corruption of "
                          "ImageNet-C");
       },
       "remove it, or give labels and corruptions such as augment: [clean, fog/1-5]"},
      {"expect.golden_top1",
       [](const Scenario& s) {
         return s.expect.golden_top1 && !s.data.labelled()
                    ? std::string("expect.golden_top1: the data has no labels")
                    : std::string();
       },
       "give data.labels, or remove the expectation"},
  };
  return table;
}

std::string_view kind_name(Kind kind) {
  constexpr std::array<std::string_view, 10> kNames{
      "integer",          "real",          "text",  "path",  "choice",
      "list of integers", "list of reals", "words", "paths", "perturbations"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string_view expected_text(Kind kind) {
  constexpr std::array<std::string_view, 10> kTexts{"an integer",
                                                    "a number",
                                                    "text",
                                                    "a path",
                                                    "a word",
                                                    "a list of integers",
                                                    "a list of numbers",
                                                    "a word or a list of words",
                                                    "a path or a list of paths",
                                                    "a perturbation or a list of them"};
  return kTexts[static_cast<std::size_t>(kind)];
}

std::string item_range_text(const Key& key) {
  const bool whole = key.kind == Kind::integer || key.kind == Kind::integers;
  const bool real = key.kind == Kind::real || key.kind == Kind::reals;
  if (whole) {
    const auto [low, high] = key.integer_range;
    if (low == high) return fmt::format("{}", low);
    if (low > 0 && high == IntegerRange{}.high) return fmt::format("at least {}", low);
    return fmt::format("{} to {}", low, high);
  }
  if (!real || key.real_range.low == RealRange{}.low) return "";
  const auto [low, high, above_low] = key.real_range;
  if (high == RealRange{}.high) {
    return (above_low ? "greater than " : "at least ") + shortest(low);
  }
  return fmt::format(fmt::runtime(above_low ? "greater than {}, at most {}" : "{} to {}"),
                     shortest(low), shortest(high));
}

std::string range_text(const Key& key) {
  std::string each = item_range_text(key);
  if (key.kind != Kind::integers && key.kind != Kind::reals && key.kind != Kind::paths) return each;
  const auto [low, high] = key.items;
  std::string count = fmt::format("{}", low);
  if (low < high) count += fmt::format("{}{}", high == low + 1 ? " or " : " to ", high);
  return fmt::format("{} items{}{}", count, each.empty() ? "" : ", each ", each);
}

std::string keys_table() {
  using Row = std::vector<std::string>;
  std::vector<Row> rows{{"key", "type", "default", "range", "meaning"}};
  for (const Key& key : keys()) {
    std::string standard(key.mandatory ? "(mandatory)" : key.default_text);
    rows.push_back({std::string(key.name), std::string(kind_name(key.kind)), std::move(standard),
                    range_text(key), std::string(key.doc)});
    for (const Word& word : key.choices) {
      rows.push_back({"  " + std::string(word.name), "", "", "", std::string(word.doc)});
    }
    if (!key.none.empty()) rows.push_back({"  none", "", "", "", std::string(key.none)});
  }
  return aligned_table(rows, Align::left);
}

}  // namespace bitquake::scenario
