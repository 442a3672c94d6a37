#include "suite/bench/ablation.hpp"

#include "suite/bench/fixed_execution.hpp"
#include "tests/support/toy_model.hpp"

#include <catch2/catch.hpp>

#include <cmath>

using namespace bitquake;
using bench::Size;
using model::Execution;

namespace {

/// Remembers how its executors were asked for, and counts.
class Watched : public model::Model {
 public:
  const std::vector<faultgen::Site>& sites() const override { return toy_->sites(); }
  const std::vector<model::Point>& points() const override { return toy_->points(); }
  std::size_t classes() const override { return toy_->classes(); }
  std::string sha256() const override { return toy_->sha256(); }
  const std::vector<std::string>& notices() const override { return toy_->notices(); }
  std::map<std::string, std::string> fingerprint() const override { return toy_->fingerprint(); }
  std::unique_ptr<model::Executor> make_executor(
      const model::ExecutionOptions& options) const override {
    asked.push_back(options);
    return std::make_unique<Counting>(toy_->make_executor(options));
  }
  std::vector<float> parameter(std::uint32_t site, faultgen::Target target) const override {
    return toy_->parameter(site, target);
  }
  void observe(faultgen::Target target, std::span<const float> inputs,
               const model::Watcher& watch) const override {
    toy_->observe(target, inputs, watch);
  }
  mutable std::vector<model::ExecutionOptions> asked;

 private:
  class Counting : public model::Executor {
   public:
    explicit Counting(std::unique_ptr<model::Executor> toy) : toy_(std::move(toy)) {}
    std::unique_ptr<model::GoldenBlock> golden(std::span<const float> inputs) override {
      return toy_->golden(inputs);
    }
    std::vector<model::TrialResult> trials(const model::GoldenBlock& block,
                                           std::span<const model::Trial> trials) override {
      return toy_->trials(block, trials);
    }
    model::Trace trace(const model::GoldenBlock& block, const model::Trial& trial) override {
      return toy_->trace(block, trial);
    }
    std::optional<model::Work> work() const override {
      if (!counts_) return std::nullopt;
      return model::Work{10, 100, 5};
    }
    void count_work() override { counts_ = true; }

   private:
    std::unique_ptr<model::Executor> toy_;
    bool counts_ = false;
  };
  std::shared_ptr<const model::Model> toy_ = test::make_toy_model();
};

bench::CaseReport example_case() {
  const auto measured = [](std::string_view step, std::uint64_t trials, double s, bool audit) {
    return bench::Measurement{.step = step,
                              .threads = 1,
                              .audit = audit,
                              .trials = trials,
                              .seconds = {s, 100.0, s / 2},
                              .peak_bytes = {1'000'000, 3'000'000}};
  };
  return {
      .network = "net",
      .target = "weights",
      .workload = "sweep",
      .size = {64, 2},
      .padded_batch = 16,
      .masked = 0.25,
      .sde = 0.125,
      .limit = 8.0,
      .measurements = {measured("reference", 64, 2.0, false), measured("batched", 128, 2.0, false),
                       measured("all", 128, 0.5, false), measured("all", 128, 1.0, true)}};
}

}  // namespace

TEST_CASE("the beginning of a campaign is whole epochs, else first samples", "[bench][workload]") {
  const Size whole{64, 16};
  REQUIRE(bench::beginning(whole, 2000) == whole);
  REQUIRE(bench::beginning(whole, 1024) == whole);
  REQUIRE(bench::beginning(whole, 200) == Size{64, 3});
  REQUIRE(bench::beginning(whole, 63) == Size{63, 1});
  REQUIRE(bench::beginning(whole, 1) == Size{1, 1});
}

TEST_CASE("a way of execution is fixed, but for the reference that an audit asks for",
          "[bench][fixed_execution]") {
  const auto watched = std::make_shared<Watched>();
  const model::ExecutionOptions way{Execution::batched, {}};
  const auto fixed = bench::fix_execution(watched, way);
  fixed->make_executor();
  fixed->make_executor({Execution::reference, {}});
  REQUIRE(watched->asked == std::vector<model::ExecutionOptions>{way, {Execution::reference, {}}});
  REQUIRE(fixed->classes() == watched->classes());
  REQUIRE(fixed->sha256() == watched->sha256());
}

TEST_CASE("work is summed over executors that have ended", "[bench][fixed_execution]") {
  bench::WorkTotal total;
  const auto fixed = bench::fix_execution(std::make_shared<Watched>(), {}, &total);
  auto first = fixed->make_executor();
  REQUIRE(!total.work);
  first.reset();
  fixed->make_executor().reset();
  REQUIRE(total.work->golden == 20);
  REQUIRE(total.work->full == 200);
  REQUIRE(total.work->unavoidable == 10);
  bench::WorkTotal none;
  bench::fix_execution(test::make_toy_model(), {}, &none)->make_executor().reset();
  REQUIRE(!none.work);
}

TEST_CASE("the limit is golden and full work over golden and unavoidable work",
          "[bench][ablation]") {
  REQUIRE(*bench::limit_of(model::Work{10, 110, 5}) == 8.0);
  REQUIRE(!bench::limit_of(std::nullopt));
  REQUIRE(!bench::limit_of(model::Work{}));
}

TEST_CASE("rows begin with their first ones, NaN included, and with no others",
          "[bench][ablation]") {
  results::Trials whole;
  whole.trials = {{.trial = 0}, {.trial = 1}, {.trial = 2}};
  whole.trials[1].faulty_probability = std::nan("");
  whole.injections = {{.trial = 0, .fault = 4}, {.trial = 1, .fault = 5}};
  whole.golden = {{.sample = 0}, {.sample = 1}};
  whole.golden[0].top1_probability = std::nan("");
  results::Trials part = whole;
  REQUIRE(bench::begins_with(whole, part));
  part.trials.pop_back();
  part.golden.pop_back();
  part.campaign.identity = "other";
  REQUIRE(bench::begins_with(whole, part));
  REQUIRE(!bench::begins_with(part, whole));
  SECTION("another hash") { part.trials[1].output_hash = 1; }
  SECTION("another probability") { part.trials[1].faulty_probability = 0.5; }
  SECTION("another injection") { part.injections[1].corrupted_bits = 1; }
  SECTION("another golden run") { part.golden[0].top1 = 3; }
  REQUIRE(!bench::begins_with(whole, part));
}

TEST_CASE("trials per second are those of the median repetition", "[bench][ablation]") {
  bench::Measurement measurement{
      .step = "all", .trials = 12, .seconds = {4.0, 1.0, 3.0}, .peak_bytes = {}};
  REQUIRE(measurement.trials_per_s() == 4.0);
  measurement.seconds = {4.0, 2.0};
  REQUIRE(measurement.trials_per_s() == 4.0);
}

TEST_CASE("steps differ by the parts that their names say", "[bench][ablation]") {
  const auto steps = bench::steps();
  REQUIRE(steps.size() == 6);
  REQUIRE(steps[0].options.execution == Execution::reference);
  REQUIRE(steps[1].options.execution == Execution::batched);
  std::vector<int> parts;
  for (const auto& step : steps.subspan(2)) {
    REQUIRE(step.options.execution == Execution::incremental);
    int on = 0;
    for (const auto& part : model::kIncrementalParts) on += step.options.parts.*part.member ? 1 : 0;
    parts.push_back(on);
  }
  REQUIRE(parts == std::vector<int>{1, 2, 4, 6});
  REQUIRE(steps[2].options.parts.prefix);
}

TEST_CASE("the table has ratios to batched, the limit and what was reached of it",
          "[bench][ablation]") {
  bench::AblationReport report;
  report.cases.push_back(example_case());
  const std::string table = bench::ablation_markdown(report);
  // Medians: reference 64 trials in 2 s, batched 128 in 2 s, all 128 in 0.5 s, audited in 1 s.
  REQUIRE(table.find(
              "| net | weights | 1 | 16 | 128 (64) | 64.0 | 0.50 | - | - | - | 4.00 | 2.00 | 8.00 "
              "| 50.0 % | 25.0 % | 12.5 % | 3 / 3 |\n") != std::string::npos);
  REQUIRE(table.find("### sweep: ") != std::string::npos);
  REQUIRE(table.find("### quickstart: ") == std::string::npos);
}
