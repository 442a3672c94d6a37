#include "suite/engine/prepare.hpp"

#include "datasets/geometry.hpp"
#include "datasets/preprocess.hpp"
#include "faultgen/sampler.hpp"
#include "suite/base/build_info.hpp"
#include "suite/engine/corruption.hpp"
#include "suite/engine/identity.hpp"
#include "suite/engine/unit.hpp"
#include "suite/engine/variants.hpp"
#include "suite/scenario/fault_kinds.hpp"
#include "suite/scenario/yaml_writer.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace bitquake::engine {

namespace {

using Data = scenario::Scenario::Data;

datasets::OpenedDataset open_whole(const scenario::Scenario& scenario) {
  using scenario::DataFormat;
  const Data& data = scenario.data;
  const auto path = [&](const std::optional<std::string>& written) {
    return written ? std::optional(scenario.resolve(*written)) : std::nullopt;
  };
  const std::filesystem::path images = scenario.resolve(data.images);
  const auto classes = path(data.classes);
  const datasets::ImageFolder folder{images, path(data.list), classes,
                                     data.max_pixels.value_or(datasets::kMaxPixels)};
  std::vector<std::filesystem::path> files{images};
  for (const std::string& file : data.more_images) files.push_back(scenario.resolve(file));
  switch (data.format) {
    case DataFormat::idx:
      return datasets::open_idx(data.name, images, path(data.labels), classes);
    case DataFormat::cifar10:
      return datasets::open_cifar(data.name, files, datasets::CifarLabels::cifar10, classes);
    case DataFormat::cifar100: {
      const bool fine = data.label_set == scenario::LabelSet::fine;
      return datasets::open_cifar(
          data.name, files,
          fine ? datasets::CifarLabels::cifar100_fine : datasets::CifarLabels::cifar100_coarse,
          classes);
    }
    case DataFormat::npy:
      return datasets::open_npy(data.name, images, path(data.labels), data.severity, classes);
    case DataFormat::image_folder:
      return datasets::open_image_folder(data.name, folder);
    case DataFormat::coco:
      return datasets::open_coco(data.name, scenario.resolve(data.annotations.value_or("")),
                                 folder);
    case DataFormat::voc:
      return datasets::open_voc(data.name, folder);
    case DataFormat::hdf5: {
      std::optional<datasets::Hdf5Names> names;
      if (data.images_dataset) {
        names = {*data.images_dataset, data.labels_dataset,
                 data.layout.value_or(datasets::Layout::nhwc)};
      }
      return datasets::open_hdf5(data.name, images, names, classes, data.perturbation);
    }
  }
  throw Exception({Errc::internal, "", "a data format without a reader", "", ""});
}

}  // namespace

Result<std::shared_ptr<const datasets::Dataset>> open_data(const scenario::Scenario& scenario) {
  const Data& data = scenario.data;
  auto whole = open_whole(scenario);
  if (!whole) return whole;
  if ((*whole)->perturbed() && scenario.shaping != scenario::Scenario::Shaping{}) {
    return Error{
        Errc::data, data.images,
        "holds images that are prepared and perturbed already: the keys of preprocess that "
        "change colours or size would come after the perturbation",
        "remove preprocess.colour, resize, resize_to, interpolation, pad_value and crop", ""};
  }
  if (data.ids_file) return datasets::select(std::move(*whole), scenario.resolve(*data.ids_file));
  if (!data.ids.empty()) return datasets::select(std::move(*whole), data.ids);
  if (!data.samples && data.order == datasets::Order::first) return whole;
  const std::uint64_t count = data.samples.value_or((*whole)->size());
  return datasets::subset(std::move(*whole), count, data.order, scenario.seed);
}

std::optional<datasets::Sample> read_sample(const scenario::Scenario& scenario,
                                            const datasets::Dataset& data, std::uint64_t position,
                                            std::string& unreadable) {
  auto read = data.get(position);
  if (read) return value_or_throw(datasets::prepare_image(std::move(*read), scenario.geometry()));
  if (scenario.data.on_bad_sample != scenario::OnBadSample::skip) {
    throw Exception(std::move(read).error());
  }
  unreadable = read.error().where + ": " + read.error().what;
  return std::nullopt;
}

namespace {

/// The first sample whose image can be read, prepared. Errc::data when the first one cannot and bad
/// samples are errors, or none can.
Result<datasets::Sample> first_sample(const scenario::Scenario& scenario,
                                      const datasets::Dataset& data) {
  const bool skip = scenario.data.on_bad_sample == scenario::OnBadSample::skip;
  for (std::uint64_t i = 0;; ++i) {
    auto sample = data.get(i);
    if (sample) return datasets::prepare_image(std::move(*sample), scenario.geometry());
    if (!skip || i + 1 == data.size()) return sample;
  }
}

}  // namespace

std::vector<float> first_inputs(const scenario::Scenario& scenario, const datasets::Dataset& data) {
  const std::uint64_t count = std::min(kCalibrationSamples, data.size());
  const std::uint64_t elements = faultgen::element_count(scenario.model.input);
  std::vector<float> inputs;
  std::string unreadable;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto sample = read_sample(scenario, data, i, unreadable);
    if (!sample) continue;
    inputs.resize(inputs.size() + elements);
    value_or_throw(datasets::to_input(*sample, scenario.preprocess, scenario.model.input,
                                      std::span(inputs).last(elements)));
  }
  return inputs;
}

namespace {

/// Why a sample makes no network input under one of the perturbations.
std::optional<Error> unfit(const scenario::Scenario& scenario, const datasets::Sample& sample) try {
  for (std::uint32_t i = 0; i < scenario.perturbations.size(); ++i) {
    network_input(scenario, {&sample, 1}, {&i, 1});
  }
  return std::nullopt;
} catch (const Exception& exception) {
  return exception.error();
}

}  // namespace

Result<faultgen::FaultSet> draw_fault_set(const scenario::Scenario& scenario,
                                          const model::Model& model,
                                          const datasets::Dataset& data) try {
  const auto magnitudes = [&](faultgen::Target target) {
    const bool parameter = faultgen::is_parameter(target);
    return model.largest_magnitudes(
        target, parameter ? std::vector<float>() : first_inputs(scenario, data));
  };
  const auto parameter = [&](std::uint32_t site, faultgen::Target target) {
    return model.parameter(site, target);
  };
  const auto plan =
      scenario::fault_plan(scenario, model.sites(), data.size(), {magnitudes, parameter});
  const auto refused = [&](Error error) {
    std::vector<scenario::Scenario::Faults> kinds = scenario.more_faults;
    kinds.push_back(scenario.faults);
    const bool packed = std::any_of(kinds.begin(), kinds.end(), [&](const auto& faults) {
      return packs_parameters(model, faults.target);
    });
    if (packed) error.hint += (error.hint.empty() ? "" : "; ") + std::string(kPackedHint);
    return error;
  };
  if (!plan) return refused(plan.error());
  auto set = faultgen::draw_faults(model.sites(), *plan);
  if (!set) return refused(set.error());
  set->provenance = {scenario.seed,  "bitquake " + std::string(build_info().version),
                     model.sha256(), scenario.model.input,
                     plan->schedule, scenario::faults_yaml(scenario)};
  return set;
} catch (const Exception& exception) {
  if (exception.error().code != Errc::data) throw;
  return exception.error();
}

Result<Plan> plan_of(const scenario::Scenario& scenario, const faultgen::FaultSet& faults,
                     std::uint64_t samples, const std::string& where) {
  return make_plan(faults, samples, scenario.unit_samples, where,
                   static_cast<std::uint32_t>(scenario.perturbations.size()),
                   static_cast<std::uint32_t>(1 + scenario.variants().size()));
}

Result<Inputs> prepare(const scenario::Scenario& scenario, const ModelLoader& load_model) {
  if (auto corruptions = corruptions_of(scenario); !corruptions) return corruptions.error();
  auto data = open_data(scenario);
  if (!data) return data.error();
  auto model = load_model(scenario, {});
  if (!model) return model.error();

  auto first = first_sample(scenario, **data);
  if (!first) return first.error();
  if (auto failed = unfit(scenario, *first)) return *std::move(failed);

  std::string where = "faults";
  std::optional<Result<faultgen::FaultSet>> faults;
  if (scenario.faults.file) {
    const auto path = scenario.resolve(*scenario.faults.file);
    where = path.string();
    faults = faultgen::read_fault_set(path);
    if (*faults) {
      auto same = faultgen::check_fits(**faults, (*model)->sha256(), scenario.model.input,
                                       (*model)->sites(), where);
      if (!same) return same.error();
    }
  } else {
    faults = draw_fault_set(scenario, **model, **data);
  }
  if (!*faults) return faults->error();
  auto plan = plan_of(scenario, **faults, (*data)->size(), where);
  if (!plan) return plan.error();
  auto modified = load_variants(scenario, *model, **data, **faults, load_model);
  if (!modified) return modified.error();
  return Inputs{scenario, std::move(*data),    std::move(*model), std::move(**faults),
                *plan,    std::move(*modified)};
}

}  // namespace bitquake::engine
