#pragma once

#include <torch/script.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bitquake::models {

/// A convolution with a square kernel and zero padding.
struct Conv {
  std::int64_t in, out;  ///< channels
  std::int64_t kernel = 1, stride = 1, padding = 0, groups = 1;
  bool bias = true;
};

/// Max pooling with a square window.
struct Pool {
  std::int64_t window = 2, stride = 2, padding = 0;
};

/// Puts a network together from named layers. Each layer is a submodule with its own forward, so
/// that its name is a module path; the network calls them in the order in which they were added.
/// Modules are in train mode; weights and biases are zero, batch norm is the identity; parameters
/// want gradients.
class Builder {
 public:
  /// @param type  name of the network's TorchScript class
  explicit Builder(const std::string& type);

  void conv(const std::string& name, const Conv& conv);
  void linear(const std::string& name, std::int64_t in, std::int64_t out);
  /// Normalises each channel, epsilon 1e-5: by the batch in train mode, by the
  /// running statistics in eval mode.
  /// Source: Ioffe, Szegedy, "Batch normalization", ICML 2015, algorithms 1 and 2.
  void batch_norm(const std::string& name, std::int64_t channels);
  void relu(const std::string& name);
  void relu6(const std::string& name);
  void max_pool(const std::string& name, const Pool& pool = {});
  void average_pool(const std::string& name);  ///< each channel to its mean, 1x1
  void flatten(const std::string& name);       ///< [n, c, h, w] -> [n, c * h * w]

  /// A second path: remembers the value as it is now.
  void branch();
  /// The following layers work on the remembered value until add_branch().
  void on_branch();
  /// Adds the two values.
  void add_branch();

  /// A builder for a part that becomes one submodule of this network.
  Builder part(const std::string& type) const;
  /// Adds a finished part as a layer.
  void add_part(const std::string& name, Builder part);

  /// Of the batch norms added from here on: 0.1 unless set. With 1 the running statistics are those
  /// of the last batch alone.
  void set_momentum(double momentum) { momentum_ = momentum; }

  torch::jit::Module finish();

 private:
  using Tensors = std::vector<std::pair<std::string, torch::Tensor>>;

  Builder(const std::string& type, std::shared_ptr<torch::jit::CompilationUnit> unit);
  torch::jit::Module make(const std::string& type) const;
  void add(const std::string& name, const std::string& type, const std::string& expression,
           const Tensors& parameters = {}, const Tensors& buffers = {});
  void call(const std::string& name);

  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  torch::jit::Module network_;
  std::string forward_ = "def forward(self, x):\n";
  std::string value_ = "x";  ///< variable that the next layer reads and writes
  double momentum_ = 0.1;
};

/// Adds a part of two 3x3 convolutions with batch norm beside a shortcut, which is a 1x1
/// convolution with batch norm where the shape changes (option B). Source: He et al., "Deep
/// residual learning for image recognition", CVPR 2016, section 3.3.
void add_basic_block(Builder& net, const std::string& name, std::int64_t in, std::int64_t out,
                     std::int64_t stride);

/// Draws weights uniform in ±sqrt(6 / fan-in); biases and batch norm stay as they were built. The
/// numbers are Philox draws of Stream::training, keyed by the seed, id = place of the parameter.
/// Source: He et al., "Delving deep into rectifiers", ICCV 2015, equation 10, as a uniform law.
void initialise(const torch::jit::Module& module, std::uint64_t seed);

}  // namespace bitquake::models
