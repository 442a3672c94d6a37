#include "tests/engine/oracle.hpp"

#include "augment/pipeline.hpp"
#include "results/columns.hpp"
#include "suite/base/sha256.hpp"
#include "tests/support/plain_fault.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <variant>

namespace bitquake::test {
namespace {

using faultgen::Fault;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// An inference and everything watched in it, by ToyPoint; weights only where they are faulty.
struct Inference {
  std::vector<float> watched[6];
  std::vector<results::InjectionRow> injections;
  const std::vector<float>& output() const { return watched[kFinalOutput]; }
};

/// Applies the faults of a group that sit in one tensor.
void corrupt(std::vector<float>& tensor, std::span<const Fault> group, std::uint32_t site,
             faultgen::Target target, Inference& run) {
  for (std::size_t i = 0; i < group.size(); ++i) {
    const Fault& fault = group[i];
    if (fault.site != site || fault.target != target) continue;
    const PlainInjection injected = plain_inject(fault, tensor[fault.element]);
    run.injections[i].reached = 1;
    run.injections[i].original_bits = injected.before;
    run.injections[i].corrupted_bits = injected.after;
  }
}

std::vector<float> layer(const std::vector<float>& input, const std::vector<float>& weight,
                         std::span<const float> bias) {
  std::vector<float> output;
  for (std::size_t o = 0; o < bias.size(); ++o) {
    float sum = bias[o];
    for (std::size_t i = 0; i < input.size(); ++i) sum += weight[o * input.size() + i] * input[i];
    output.push_back(std::isnan(sum) ? std::numeric_limits<float>::quiet_NaN() : sum);
  }
  return output;
}

Inference infer(const std::uint8_t* pixels, std::span<const Fault> group) {
  using enum faultgen::Target;
  Inference run;
  run.injections.resize(group.size());
  const ToyParameters parameters = toy_parameters();
  std::vector<float> weight1(parameters.weight1.begin(), parameters.weight1.end());
  std::vector<float> weight2(parameters.weight2.begin(), parameters.weight2.end());
  corrupt(weight1, group, 0, weight, run);
  corrupt(weight2, group, 1, weight, run);
  run.watched[kFc1Weight] = weight1;
  run.watched[kFc2Weight] = weight2;

  std::vector<float> input;
  for (std::size_t i = 0; i < 16; ++i) input.push_back(static_cast<float>(pixels[i] / 255.0));
  std::vector<float> hidden = layer(input, weight1, parameters.bias1);
  if (pixels[0] == 254) hidden[0] = std::numeric_limits<float>::infinity();
  corrupt(hidden, group, 0, neuron, run);
  run.watched[kFc1Output] = hidden;
  for (float& x : hidden) {
    if (!std::isnan(x)) x = std::min(std::max(x, 0.0F), 6.0F);
  }
  run.watched[kClampOutput] = hidden;
  std::vector<float> scores = layer(hidden, weight2, parameters.bias2);
  if (pixels[0] == 255) scores[0] = std::numeric_limits<float>::quiet_NaN();
  corrupt(scores, group, 1, neuron, run);
  run.watched[kFc2Output] = run.watched[kFinalOutput] = scores;
  return run;
}

bool has_nan(const std::vector<float>& scores) {
  return std::any_of(scores.begin(), scores.end(), [](float x) { return std::isnan(x); });
}

/// Classes from best to worst, ties by index.
std::vector<std::int32_t> ranking(const std::vector<float>& scores) {
  std::vector<std::int32_t> order{0, 1, 2, 3, 4, 5};
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  return order;
}

std::int32_t best(const std::vector<float>& scores) {
  return has_nan(scores) ? -1 : ranking(scores)[0];
}

std::uint32_t rank(const std::vector<float>& scores, std::int32_t label) {
  if (has_nan(scores)) return 6;
  const auto order = ranking(scores);
  return static_cast<std::uint32_t>(std::find(order.begin(), order.end(), label) - order.begin());
}

double softmax(const std::vector<float>& scores, std::int32_t label) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  if (has_nan(scores) || std::isinf(largest)) return kNan;
  double sum = 0;
  for (const float score : scores) sum += std::exp(score - largest);
  return std::exp(scores[static_cast<std::size_t>(label)] - largest) / sum;
}

std::uint64_t first_eight_bytes_of_sha256(std::vector<float> values) {
  for (float& x : values) {
    const std::uint32_t bits = std::isnan(x) ? 0x7fc00000U : bits_of(x);
    std::memcpy(&x, &bits, sizeof x);
  }
  return std::stoull(sha256_hex(std::as_bytes(std::span(values))).substr(0, 16), nullptr, 16);
}

results::GoldenRow golden_row(std::uint32_t perturbation, std::uint64_t sample,
                              std::span<const std::uint8_t> pixels, std::uint8_t label,
                              const std::vector<float>& scores) {
  results::GoldenRow row;
  row.perturbation = perturbation;
  row.sample = row.sample_index = row.id = sample;
  row.height = row.width = 4;
  row.content_hash = std::stoull(sha256_hex(std::as_bytes(pixels)).substr(0, 16), nullptr, 16);
  row.label = label;
  row.top1 = best(scores);
  row.label_rank = rank(scores, label);
  row.top1_probability = row.top1 < 0 ? 0 : softmax(scores, row.top1);
  row.skipped = has_nan(scores) ? 1 : 0;
  row.output_hash = first_eight_bytes_of_sha256(scores);
  return row;
}

/// What a trial meets, searched for in the fault set by the definitions of the policies.
struct Present {
  std::uint64_t group = 0;  ///< of the trial's own epoch
  std::vector<Fault> faults;
  std::vector<std::uint64_t> ids;
};

Present faults_present(const engine::Inputs& inputs, std::uint32_t epoch, std::uint64_t sample) {
  std::uint64_t slot = sample;
  const auto& faults = inputs.scenario.faults;
  if (faults.policy == faultgen::Policy::per_epoch) slot = 0;
  if (faults.policy == faultgen::Policy::per_batch) slot = sample / faults.batch_size.value();
  const bool accumulates = inputs.scenario.run_type == faultgen::RunType::accumulate;
  Present present;
  for (std::uint64_t g = 0; g < inputs.faults.groups.size(); ++g) {
    const faultgen::FaultGroup& group = inputs.faults.groups[g];
    if (group.slot != slot || group.epoch > epoch) continue;
    if (group.epoch == epoch) present.group = g;
    if (group.epoch < epoch && !accumulates) continue;
    for (std::uint64_t i = 0; i < group.n_faults; ++i) {
      present.ids.push_back(group.first_fault + i);
      present.faults.push_back(inputs.faults.faults[group.first_fault + i]);
    }
  }
  return present;
}

/// What is seen at one point.
void observe(const results::TrialRow& row, std::uint32_t point, const std::vector<float>& golden,
             const std::vector<float>& faulty, results::Observed& all) {
  results::DeviationRow at{row.trial, point};
  double difference = 0, whole = 0;
  bool nonfinite = false;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    const double then = golden[i], now = faulty[i];
    if (std::isfinite(then)) whole += then * then;
    if (bits_of(golden[i]) == bits_of(faulty[i]) || (std::isnan(then) && std::isnan(now))) continue;
    ++at.differing;
    if (std::isfinite(then) && std::isfinite(now)) {
      difference += (now - then) * (now - then);
      at.max_abs = std::max(at.max_abs, std::abs(now - then));
    } else {
      ++at.nonfinite;
      nonfinite |= std::isfinite(then);
    }
  }
  if (nonfinite) all.monitors.push_back({row.trial, 0, point});
  at.rel_l2 = difference == 0 ? 0 : std::sqrt(difference) / std::sqrt(whole);
  const bool parameter = point == kFc1Weight || point == kFc2Weight;
  if (!parameter && at.differing > 0) all.deviations.push_back(at);
}

void judge(results::TrialRow& row, const Inference& golden, const Inference& faulty,
           std::int32_t label) {
  for (std::int32_t point = kFinalOutput; point >= 0; --point) {
    const auto& now = faulty.watched[point];
    const auto& then = golden.watched[point];
    bool turned = false;
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (std::isfinite(now[i])) continue;
      turned |= std::isfinite(then[i]);
      if (point != kFc1Weight && point != kFc2Weight) row.any_nonfinite = 1;
    }
    if (!turned) continue;
    row.first_nonfinite = point;
    ++row.nonfinite_points;
  }
  const std::int32_t decision = best(golden.output());
  row.faulty_top1 = best(faulty.output());
  row.label_rank = rank(faulty.output(), label);
  row.golden_probability = softmax(golden.output(), decision);
  row.faulty_probability = softmax(faulty.output(), decision);
  row.output_hash = first_eight_bytes_of_sha256(faulty.output());
  if (row.first_nonfinite >= 0) {
    row.outcome = 0;
    return;
  }
  const bool same =
      std::memcmp(golden.output().data(), faulty.output().data(), 6 * sizeof(float)) == 0;
  row.outcome = same ? 1 : row.faulty_top1 == decision ? 2 : 3;
  const auto order = ranking(golden.output());
  row.sdc5 = row.faulty_top1 == order[5] ? 1 : 0;
  const double change =
      std::abs(row.faulty_probability - row.golden_probability) / row.golden_probability;
  row.sdc10 = change > 0.1 ? 1 : 0;
  row.sdc20 = change > 0.2 ? 1 : 0;
}

void fail(results::TrialRow& row, const Inference& golden, const std::string& message,
          std::vector<std::string>& messages) {
  row.outcome = 0;
  row.faulty_top1 = -1;
  row.label_rank = 6;
  row.golden_probability = softmax(golden.output(), best(golden.output()));
  row.faulty_probability = kNan;
  const auto found = std::find(messages.begin(), messages.end(), message);
  row.message = static_cast<std::uint32_t>(found - messages.begin());
  if (found == messages.end()) messages.push_back(message);
}

template <class Row, std::size_t N, class Rows>
std::string compare(const std::string& table, const std::array<results::Column<Row>, N>& columns,
                    const Rows& a, const Rows& b) {
  if (a.size() != b.size()) {
    return table + ": " + std::to_string(a.size()) + " and " + std::to_string(b.size()) + " rows";
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (const auto& column : columns) {
      const bool same = std::visit(
          [&]<class T>(T Row::*member) {
            if constexpr (std::is_same_v<T, double>) {
              if (std::isnan(a[i].*member) && std::isnan(b[i].*member)) return true;
              return std::bit_cast<std::uint64_t>(a[i].*member) ==
                     std::bit_cast<std::uint64_t>(b[i].*member);
            } else {
              return a[i].*member == b[i].*member;
            }
          },
          column.member);
      if (!same) return table + " row " + std::to_string(i) + ": " + std::string(column.name);
    }
  }
  return "";
}

using Pixels = std::vector<std::uint8_t>;

/// The pixels of a sample under a perturbation, whose own tests are in tests/augment.
Pixels perturbed(const ToyCampaign& campaign, const augment::Pipeline& pipeline,
                 std::uint64_t sample) {
  cv::Mat image(4, 4, CV_8UC1);
  std::memcpy(image.data, campaign.images.data() + 16 * sample, 16);
  const auto scene =
      value_or_throw(augment::apply(pipeline, {image, {}}, campaign.scenario.seed, sample));
  Pixels pixels;
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) pixels.push_back(scene.image.at<std::uint8_t>(y, x));
  }
  return pixels;
}

}  // namespace

results::Trials expected_trials(const ToyCampaign& campaign, const engine::Inputs& inputs,
                                const FailureOf& failure_of, const Acts& acts) {
  results::Trials all;
  const std::uint64_t samples = inputs.data->size();
  const std::uint32_t epochs = inputs.scenario.faults.epochs;
  std::uint32_t perturbation = 0;
  for (const augment::Pipeline& pipeline : inputs.scenario.perturbations) {
    std::vector<Pixels> images;
    std::vector<Inference> golden;
    for (std::uint64_t sample = 0; sample < samples; ++sample) {
      images.push_back(perturbed(campaign, pipeline, sample));
      golden.push_back(infer(images.back().data(), {}));
      all.golden.push_back(golden_row(perturbation, sample,
                                      std::span(campaign.images).subspan(16 * sample, 16),
                                      campaign.labels[sample], golden.back().output()));
    }
    const std::uint64_t first_golden = perturbation * samples;
    for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
      for (std::uint64_t sample = 0; sample < samples; ++sample) {
        if (all.golden[first_golden + sample].skipped != 0) continue;
        const Present present = faults_present(inputs, epoch, sample);
        results::TrialRow row;
        row.trial = (perturbation * epochs + epoch) * samples + sample;
        row.perturbation = perturbation;
        row.epoch = epoch;
        row.sample = sample;
        row.group = present.group;
        row.first_fault = inputs.faults.groups[present.group].first_fault;
        row.n_faults = static_cast<std::uint32_t>(present.faults.size());
        std::vector<Fault> acting;
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < present.ids.size(); ++i) {
          if (acts && !acts(present.ids[i], sample)) continue;
          acting.push_back(present.faults[i]);
          places.push_back(i);
        }
        Inference run = infer(images[sample].data(), acting);
        std::vector<results::InjectionRow> injections(present.ids.size());
        for (auto& injection : injections) injection.active = 0;
        for (std::size_t i = 0; i < places.size(); ++i) injections[places[i]] = run.injections[i];
        run.injections = std::move(injections);
        const auto failure = failure_of ? failure_of(present.faults) : std::nullopt;
        if (failure) {
          fail(row, golden[sample], *failure, all.messages);
          for (auto& injection : run.injections) injection = {};
        } else {
          judge(row, golden[sample], run, campaign.labels[sample]);
          for (std::uint32_t point = 0; point <= kFinalOutput; ++point) {
            observe(row, point, golden[sample].watched[point], run.watched[point], all.observed);
          }
          if (!inputs.scenario.deviation) all.observed.deviations = {};
        }
        all.trials.push_back(row);
        for (std::size_t i = 0; i < present.ids.size(); ++i) {
          run.injections[i].trial = row.trial;
          run.injections[i].fault = present.ids[i];
          all.injections.push_back(run.injections[i]);
        }
      }
    }
    ++perturbation;
  }
  return all;
}

std::string first_difference(const results::Trials& a, const results::Trials& b) {
  if (auto found = compare("golden", results::kGoldenColumns, a.golden, b.golden); !found.empty()) {
    return found;
  }
  if (auto found = compare("trials", results::kTrialColumns, a.trials, b.trials); !found.empty()) {
    return found;
  }
  auto found = compare("injections", results::kInjectionColumns, a.injections, b.injections);
  if (!found.empty()) return found;
  found = compare("monitored", results::kMonitorColumns, a.observed.monitors, b.observed.monitors);
  if (!found.empty()) return found;
  found = compare("deviations", results::kDeviationColumns, a.observed.deviations,
                  b.observed.deviations);
  if (!found.empty()) return found;
  return a.messages == b.messages ? "" : "messages";
}

}  // namespace bitquake::test
