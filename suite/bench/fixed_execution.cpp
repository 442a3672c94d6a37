#include "suite/bench/fixed_execution.hpp"

#include <utility>

namespace bitquake::bench {
namespace {

class CountingExecutor : public model::Executor {
 public:
  CountingExecutor(std::unique_ptr<model::Executor> inner, WorkTotal& total)
      : inner_(std::move(inner)), total_(total) {
    inner_->count_work();
  }
  CountingExecutor(const CountingExecutor&) = delete;
  CountingExecutor& operator=(const CountingExecutor&) = delete;
  ~CountingExecutor() override {
    const auto mine = inner_->work();
    if (!mine) return;
    model::Work& sum = total_.work ? *total_.work : total_.work.emplace();
    sum.golden += mine->golden;
    sum.full += mine->full;
    sum.unavoidable += mine->unavoidable;
  }

  std::unique_ptr<model::GoldenBlock> golden(std::span<const float> inputs) override {
    return inner_->golden(inputs);
  }
  std::vector<model::TrialResult> trials(const model::GoldenBlock& block,
                                         std::span<const model::Trial> trials) override {
    return inner_->trials(block, trials);
  }
  model::Trace trace(const model::GoldenBlock& block, const model::Trial& trial) override {
    return inner_->trace(block, trial);
  }
  std::optional<model::Work> work() const override { return inner_->work(); }

 private:
  std::unique_ptr<model::Executor> inner_;
  WorkTotal& total_;
};

class FixedExecution : public model::Model {
 public:
  FixedExecution(std::shared_ptr<const model::Model> inner, const model::ExecutionOptions& options,
                 WorkTotal* total)
      : inner_(std::move(inner)), options_(options), total_(total) {}

  const std::vector<faultgen::Site>& sites() const override { return inner_->sites(); }
  const std::vector<model::Point>& points() const override { return inner_->points(); }
  std::size_t classes() const override { return inner_->classes(); }
  std::string sha256() const override { return inner_->sha256(); }
  const std::vector<std::string>& notices() const override { return inner_->notices(); }
  std::map<std::string, std::string> fingerprint() const override { return inner_->fingerprint(); }
  std::vector<model::PlacedGuard> guards() const override { return inner_->guards(); }
  std::vector<float> largest_deviations(std::span<const float> inputs) const override {
    return inner_->largest_deviations(inputs);
  }

  std::unique_ptr<model::Executor> make_executor(
      const model::ExecutionOptions& wanted) const override {
    auto executor = inner_->make_executor(chosen(wanted));
    if (total_ == nullptr) return executor;
    return std::make_unique<CountingExecutor>(std::move(executor), *total_);
  }
  model::KeptActivations kept_activations(const model::ExecutionOptions& wanted) const override {
    return inner_->kept_activations(chosen(wanted));
  }
  std::vector<float> parameter(std::uint32_t site, faultgen::Target target) const override {
    return inner_->parameter(site, target);
  }
  void observe(faultgen::Target target, std::span<const float> inputs,
               const model::Watcher& watch) const override {
    inner_->observe(target, inputs, watch);
  }
  std::vector<model::SiteExecution> explain(const model::ExecutionOptions& wanted) const override {
    return inner_->explain(chosen(wanted));
  }

 private:
  const model::ExecutionOptions& chosen(const model::ExecutionOptions& wanted) const {
    return wanted.execution == model::Execution::reference ? wanted : options_;
  }

  std::shared_ptr<const model::Model> inner_;
  model::ExecutionOptions options_;
  WorkTotal* total_;
};

}  // namespace

std::shared_ptr<const model::Model> fix_execution(std::shared_ptr<const model::Model> inner,
                                                  const model::ExecutionOptions& options,
                                                  WorkTotal* total) {
  return std::make_shared<FixedExecution>(std::move(inner), options, total);
}

}  // namespace bitquake::bench
