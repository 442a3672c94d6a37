/// bitquake_train: trains the shipped models. The same command on the same machine writes the same
/// bytes: all randomness is Philox keyed by the seed, and one thread does the arithmetic.

#include "datasets/dataset.hpp"
#include "datasets/preprocess.hpp"
#include "suite/base/error.hpp"
#include "suite/base/result.hpp"
#include "suite/base/rng.hpp"
#include "suite/base/sha256.hpp"
#include "suite/models/architecture.hpp"
#include "suite/models/builder.hpp"

#include <ATen/Parallel.h>
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <torch/optim/sgd.h>
#include <torch/script.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <numeric>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::models {
namespace {

namespace fs = std::filesystem;

/// Mean and standard deviation of the training pixels of Fashion-MNIST after division by 255.
const datasets::Preprocess kPreprocess{.divide_by = 255.0, .mean = {0.2860}, .stddev = {0.3530}};
const auto kBlack = static_cast<float>(-kPreprocess.mean[0] / kPreprocess.stddev[0]);

/// Ids of Stream::training: parameters count from 0, epochs from here.
constexpr std::uint64_t kFirstEpochId = std::uint64_t{1} << 32;

struct Options {
  std::string architecture;
  fs::path data;
  fs::path output;
  std::uint64_t seed = 1;
  std::int64_t holdout = 0;
};

/// Normalised images [n, channels, height, width] and their labels [n].
struct Samples {
  torch::Tensor images;
  torch::Tensor labels;
};

/// Every BLAS and oneDNN routine runs on the calling thread: partial sums of several threads would
/// make the result depend on the number of cores. LibTorch's setting does not reach OpenBLAS.
void use_one_thread() {
  at::set_num_threads(1);
  using SetThreads = void (*)(int);
  if (auto* set = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
    set(1);
  }
}

Samples read_samples(const fs::path& directory, const std::string& prefix,
                     const std::vector<std::int64_t>& shape) {
  const auto data = value_or_throw(
      datasets::open_idx("fashion-mnist", directory / (prefix + "-images-idx3-ubyte.gz"),
                         directory / (prefix + "-labels-idx1-ubyte.gz")));
  const auto n = static_cast<std::int64_t>(data->size());
  Samples samples{torch::empty({n, shape[0], shape[1], shape[2]}),
                  torch::empty({n}, torch::kInt64)};
  const auto elements = static_cast<std::size_t>(shape[0] * shape[1] * shape[2]);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto sample = value_or_throw(data->get(static_cast<std::uint64_t>(i)));
    const std::span<float> out(samples.images[i].data_ptr<float>(), elements);
    value_or_throw(datasets::to_input(sample, kPreprocess, shape, out));
    samples.labels[i] = sample.label.value();
  }
  return samples;
}

std::pair<Samples, Samples> split(const Samples& all, std::int64_t last) {
  const auto n = all.labels.size(0);
  return {{all.images.slice(0, 0, n - last), all.labels.slice(0, 0, n - last)},
          {all.images.slice(0, n - last, n), all.labels.slice(0, n - last, n)}};
}

std::vector<std::int64_t> shuffled(std::int64_t n, Draws& draws) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draws.below(i)]);
  return order;
}

/// Where one image is moved to.
struct Motion {
  bool mirror = false;
  std::int64_t dx = 0;
  std::int64_t dy = 0;
};

Motion draw_motion(const Recipe& recipe, Draws& draws) {
  const auto shift = [&] {
    const auto choices = static_cast<std::uint64_t>(2 * recipe.shift_pixels + 1);
    return static_cast<std::int64_t>(draws.below(choices)) - recipe.shift_pixels;
  };
  const bool mirror = recipe.flip && draws.below(2) == 1;
  const std::int64_t dx = shift();
  const std::int64_t dy = shift();
  return {mirror, dx, dy};
}

/// Copies an image [channels, height, width], moved; what comes from outside is black.
void move_image(const torch::Tensor& from, const Motion& motion, const torch::Tensor& to) {
  const auto height = from.size(1);
  const auto width = from.size(2);
  const float* in = from.data_ptr<float>();
  auto* out = to.data_ptr<float>();
  for (std::int64_t row = 0; row < from.size(0) * height; ++row) {
    const auto y = row % height - motion.dy;
    const auto source_row = row - motion.dy;
    for (std::int64_t column = 0; column < width; ++column) {
      const auto x = (motion.mirror ? width - 1 - column : column) - motion.dx;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      *out++ = inside ? in[source_row * width + x] : kBlack;
    }
  }
}

Samples make_batch(const Samples& all, std::span<const std::int64_t> chosen, const Recipe& recipe,
                   Draws& draws) {
  auto shape = all.images.sizes().vec();
  shape[0] = static_cast<std::int64_t>(chosen.size());
  Samples batch{torch::empty(shape), torch::empty({shape[0]}, torch::kInt64)};
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    const auto from = chosen[static_cast<std::size_t>(i)];
    move_image(all.images[from], draw_motion(recipe, draws), batch.images[i]);
    batch.labels[i] = all.labels[from];
  }
  return batch;
}

/// One pass over the samples; returns the mean loss.
/// @param rate  learning rate at a fraction of the epoch in [0, 1)
template <class Rate>
double train_epoch(torch::jit::Module& module, const Samples& samples, const Recipe& recipe,
                   torch::optim::SGD& optimiser, Draws draws, Rate rate) {
  const auto n = samples.labels.size(0);
  const auto order = shuffled(n, draws);
  auto& options = static_cast<torch::optim::SGDOptions&>(optimiser.param_groups()[0].options());
  double loss_sum = 0;
  for (std::int64_t first = 0; first < n; first += recipe.batch) {
    const auto count = std::min(recipe.batch, n - first);
    const auto chosen =
        std::span(order).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    const Samples batch = make_batch(samples, chosen, recipe, draws);
    options.lr(rate(static_cast<double>(first) / static_cast<double>(n)));
    optimiser.zero_grad();
    const auto loss =
        torch::cross_entropy_loss(module.forward({batch.images}).toTensor(), batch.labels);
    loss.backward();
    optimiser.step();
    loss_sum += loss.item<double>() * static_cast<double>(count);
  }
  return loss_sum / static_cast<double>(n);
}

void train(torch::jit::Module& module, const Samples& samples, const Recipe& recipe,
           std::uint64_t seed) {
  std::vector<torch::Tensor> parameters;
  for (const torch::Tensor& parameter : module.parameters()) parameters.push_back(parameter);
  torch::optim::SGD optimiser(parameters, torch::optim::SGDOptions(recipe.learning_rate)
                                              .momentum(recipe.momentum)
                                              .weight_decay(recipe.weight_decay)
                                              .nesterov(true));
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t epoch = 0; epoch < recipe.epochs; ++epoch) {
    const auto rate = [&](double fraction) {
      const double done =
          (static_cast<double>(epoch) + fraction) / static_cast<double>(recipe.epochs);
      return recipe.learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    };
    const Draws draws(seed, Stream::training, kFirstEpochId + static_cast<std::uint64_t>(epoch));
    const double loss = train_epoch(module, samples, recipe, optimiser, draws, rate);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    fmt::print(stderr, "epoch {:2}/{}  loss {:.4f}  {:.0f} s\n", epoch + 1, recipe.epochs, loss,
               elapsed.count());
  }
}

/// Number of images whose largest logit is the label's.
std::int64_t count_correct(torch::jit::Module& module, const Samples& samples) {
  const torch::NoGradGuard no_grad;
  std::int64_t correct = 0;
  constexpr std::int64_t kBatch = 500;
  for (std::int64_t first = 0; first < samples.labels.size(0); first += kBatch) {
    const auto logits = module.forward({samples.images.slice(0, first, first + kBatch)}).toTensor();
    const auto labels = samples.labels.slice(0, first, first + kBatch);
    correct += logits.argmax(1).eq(labels).sum().item<std::int64_t>();
  }
  return correct;
}

/// The TorchScript archive, in eval mode and without gradients. Made in memory, because an archive
/// saved to a file carries the file's name.
std::string archive_of(torch::jit::Module& module) {
  module.eval();  // batch norm uses the running statistics from here on
  for (const torch::Tensor& parameter : module.parameters()) parameter.set_requires_grad(false);
  std::ostringstream out;
  module.save(out);
  return out.str();
}

/// Complete or not at all: written beside the target, then renamed.
void write_file(const fs::path& path, const std::string& bytes) {
  fs::path partial = path;
  partial += ".partial";
  std::ofstream out(partial, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  std::error_code failed;
  if (out) fs::rename(partial, path, failed);
  if (out && !failed) return;
  fs::remove(partial, failed);
  throw Exception({.code = Errc::usage,
                   .where = path.string(),
                   .what = "cannot write the model",
                   .hint = "is there space, and permission to write?",
                   .source = {}});
}

/// Before minutes of work, not after them.
void check_output(const fs::path& path) {
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (fs::is_directory(directory) && !fs::is_directory(path)) return;
  throw Exception({.code = Errc::usage,
                   .where = path.string(),
                   .what = "is not the name of a file in an existing directory",
                   .hint = "make the directory, or choose another file",
                   .source = {}});
}

void run(const Options& options) {
  check_output(options.output);
  const auto all = architectures();
  const auto& architecture = *std::ranges::find(all, options.architecture, &Architecture::name);
  use_one_thread();
  // Plain autograd: the optimising executor would change kernels after its profiling runs.
  torch::jit::setGraphExecutorOptimize(false);

  Samples training = read_samples(options.data, "train", architecture.input_shape);
  if (options.holdout >= training.labels.size(0)) {
    throw Exception({.code = Errc::usage,
                     .where = "--holdout",
                     .what = fmt::format("{} of {} training images leaves none to train on",
                                         options.holdout, training.labels.size(0)),
                     .hint = "hold out fewer",
                     .source = {}});
  }
  Samples judged;
  if (options.holdout > 0) {
    std::tie(training, judged) = split(training, options.holdout);
  } else {
    judged = read_samples(options.data, "t10k", architecture.input_shape);
  }

  torch::jit::Module module = architecture.build();
  initialise(module, options.seed);
  train(module, training, architecture.recipe, options.seed);

  const std::string archive = archive_of(module);
  std::istringstream stored(archive);
  torch::jit::Module loaded = torch::jit::load(stored);
  const auto correct = count_correct(loaded, judged);
  write_file(options.output, archive);
  const auto n = judged.labels.size(0);
  fmt::print("{} accuracy {}/{} = {:.2f} %\nsha256 {}  {}\n",
             options.holdout > 0 ? "held-out" : "test", correct, n,
             100.0 * static_cast<double>(correct) / static_cast<double>(n), sha256_hex(archive),
             options.output.string());
}

int parse_and_run(int argc, char** argv) {
  Options options;
  std::vector<std::string> names;
  std::string list = "Architectures:\n";
  for (const auto& architecture : architectures()) {
    names.emplace_back(architecture.name);
    list += fmt::format("  {:<8} {}\n", architecture.name, architecture.doc);
  }
  CLI::App app("Trains a model that Bitquake ships and saves it as TorchScript.", "bitquake_train");
  app.footer(list +
             "\nExample:\n  bitquake_train lenet5 --data /usr/share/datasets/fashion-mnist"
             " --seed 1 -o lenet5.pt");
  app.add_option("architecture", options.architecture, "what to train")
      ->required()
      ->check(CLI::IsMember(names));
  app.add_option("--data", options.data, "directory with the four idx files of Fashion-MNIST")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--seed", options.seed, "of initialisation, order and augmentation")
      ->capture_default_str();
  app.add_option("--holdout", options.holdout,
                 "train without the last N training images and judge on them instead of the test "
                 "images: to choose a recipe")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("-o,--output", options.output, "file to write")->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    run(options);
    return 0;
  } catch (const Exception& error) {
    fmt::print(stderr, "{}\n", to_string(error.error()));
    return error.error().code == Errc::data ? 4 : error.error().code == Errc::usage ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bitquake_train: error: {}\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace bitquake::models

int main(int argc, char** argv) { return bitquake::models::parse_and_run(argc, argv); }
