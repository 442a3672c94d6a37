#pragma once

#include "suite/base/named.hpp"
#include "suite/model/model.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::selftest {

/// Mistakes that a fault injector can make. Each is really made when planted: what is injected, or
/// what comes back, is wrong, while the injector goes on to report what was asked of it.
enum class Defect : std::uint8_t {
  wrong_element,
  wrong_bit,
  left_behind,
  cancelled,
  golden_polluted,
  not_restored,
  first_fault_only,
  stuck_at_flips,
  wrong_sample,
  results_swapped,
  nonfinite_dropped,
  tolerance,
  evidence_forged,
};

inline constexpr std::array kDefects{
    Named<Defect>{Defect::wrong_element, "wrong_element",
                  "the element behind the stated one is hit"},
    Named<Defect>{Defect::wrong_bit, "wrong_bit", "the bit above the stated one is hit"},
    Named<Defect>{Defect::left_behind, "left_behind",
                  "a trial's faults are still there in the next trial"},
    Named<Defect>{Defect::cancelled, "cancelled", "a fault is reported, but not there"},
    Named<Defect>{Defect::golden_polluted, "golden_polluted",
                  "a faulty output takes the place of the golden one"},
    Named<Defect>{Defect::not_restored, "not_restored",
                  "a block's last fault is still there in the next golden run"},
    Named<Defect>{Defect::first_fault_only, "first_fault_only",
                  "of a group's faults only the first is there"},
    Named<Defect>{Defect::stuck_at_flips, "stuck_at_flips", "a stuck-at fault inverts the bit"},
    Named<Defect>{Defect::wrong_sample, "wrong_sample", "a trial runs on the next sample"},
    Named<Defect>{Defect::results_swapped, "results_swapped",
                  "neighbouring trials get each other's outputs"},
    Named<Defect>{Defect::nonfinite_dropped, "nonfinite_dropped", "NaN and Inf go unnoticed"},
    Named<Defect>{Defect::tolerance, "tolerance",
                  "an output within 1 % of the golden one counts as equal"},
    Named<Defect>{Defect::evidence_forged, "evidence_forged",
                  "the recorded bits are not those that were changed"},
};

/// A model that is another one in all but its executors.
class ModelWrapper : public model::Model {
 public:
  explicit ModelWrapper(std::shared_ptr<const model::Model> sound) : sound_(std::move(sound)) {}
  const std::vector<faultgen::Site>& sites() const override { return sound_->sites(); }
  std::vector<float> parameter(std::uint32_t site, faultgen::Target target) const override {
    return sound_->parameter(site, target);
  }
  void observe(faultgen::Target target, std::span<const float> inputs,
               const model::Watcher& watch) const override {
    sound_->observe(target, inputs, watch);
  }
  const std::vector<model::Point>& points() const override { return sound_->points(); }
  std::size_t classes() const override { return sound_->classes(); }
  std::string sha256() const override { return sound_->sha256(); }
  const std::vector<std::string>& notices() const override { return sound_->notices(); }
  std::map<std::string, std::string> fingerprint() const override { return sound_->fingerprint(); }
  std::vector<model::PlacedGuard> guards() const override { return sound_->guards(); }
  std::vector<float> largest_deviations(std::span<const float> inputs) const override {
    return sound_->largest_deviations(inputs);
  }
  model::KeptActivations kept_activations(const model::ExecutionOptions& options) const override {
    return sound_->kept_activations(options);
  }
  std::vector<model::SiteExecution> explain(const model::ExecutionOptions& options) const override {
    return sound_->explain(options);
  }

 protected:
  std::shared_ptr<const model::Model> sound_;
};

/// `model` with a defect in its executors.
std::shared_ptr<const model::Model> plant(Defect defect, std::shared_ptr<const model::Model> model);

}  // namespace bitquake::selftest
