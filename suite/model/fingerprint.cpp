#include "suite/model/fingerprint.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/version.h>

#include <dlfcn.h>

namespace bitquake::model {
namespace {

/// Debian's LibTorch brings oneDNN and BLAS as shared libraries; a build that has them inside, or
/// another BLAS, does not export these functions, and the fingerprint says so.
template <class Function>
Function* find_function(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

std::string aten_capability() {
  const std::string config = at::show_config();
  const std::string key = "CPU capability usage: ";
  const auto start = config.find(key);
  if (start == std::string::npos) return "unknown";
  const auto from = start + key.size();
  return config.substr(from, config.find('\n', from) - from);
}

std::string onednn_isa() {
  const auto isa = find_function<int()>("dnnl_get_effective_cpu_isa");
  return isa == nullptr ? "unknown" : fmt::format("{:#x}", isa());
}

std::string onednn_version() {
  struct Version {  // leading members of dnnl_version_t
    int major, minor, patch;
  };
  const auto version = find_function<const Version*()>("dnnl_version");
  if (version == nullptr) return "unknown";
  const Version* v = version();
  return fmt::format("{}.{}.{}", v->major, v->minor, v->patch);
}

std::string blas() {
  const auto config = find_function<const char*()>("openblas_get_config");
  const auto core = find_function<const char*()>("openblas_get_corename");
  if (config == nullptr || core == nullptr) return "not OpenBLAS";
  const std::string text = config();  // "OpenBLAS 0.3.21 NO_LAPACKE … SkylakeX MAX_THREADS=64"
  return text.substr(0, text.find(' ', text.find(' ') + 1)) + " " + core();
}

}  // namespace

std::map<std::string, std::string> numeric_fingerprint() {
  return {{"libtorch", TORCH_VERSION},
          {"aten_isa", aten_capability()},
          {"onednn", onednn_version()},
          {"onednn_isa", onednn_isa()},
          {"blas", blas()}};
}

std::string quantized_engine() { return c10::toString(at::globalContext().qEngine()); }

std::string quantized_engines() {
  std::string all;
  for (const at::QEngine engine : at::globalContext().supportedQEngines()) {
    if (engine != at::QEngine::NoQEngine) all += (all.empty() ? "" : ", ") + c10::toString(engine);
  }
  return all.empty() ? "none" : all;
}

void use_one_inner_thread() {
  thread_local const bool done = [] {
    at::set_num_threads(1);
    if (const auto set = find_function<void(int)>("openblas_set_num_threads")) set(1);
    return true;
  }();
  static_cast<void>(done);
}

int inner_threads() { return at::get_num_threads(); }

}  // namespace bitquake::model
