#pragma once

#include "tests/base/temp_directory.hpp"
#include "tests/cli/process.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bitquake::test {

/// A MNIST-style idx file of unsigned bytes.
inline std::string idx_file(const std::vector<std::uint32_t>& sizes, const std::string& values) {
  std::string bytes{'\0', '\0', '\x08', static_cast<char>(sizes.size())};
  for (const std::uint32_t size : sizes) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(size >> shift);
  }
  return bytes + values;
}

/// A temporary directory with the shipped model (model.pt), 100 images of noise (images, labels)
/// and a scenario that runs it on them (scenario.yaml). The command runs inside, so its messages
/// name files as given.
class Workspace {
 public:
  static constexpr std::uint32_t kSamples = 100;

  Workspace() {
    std::filesystem::copy_file(BITQUAKE_SOURCE_DIR "/suite/models/lenet5_fashion_mnist.pt",
                               directory_ / "model.pt");
    write("images", idx_file({kSamples, 28, 28}, noise(std::size_t{kSamples} * 28 * 28)));
    std::string labels;
    for (std::uint32_t i = 0; i < kSamples; ++i) labels += static_cast<char>(i % 10);
    write("labels", idx_file({kSamples}, labels));
    write("scenario.yaml", scenario("faults: {epochs: 2}\n"));
  }

  /// A scenario on these files; `more` is appended.
  static std::string scenario(const std::string& more) {
    return "version: 1\n"
           "model: {file: model.pt, input: [1, 28, 28], output: logits}\n"
           "data: {name: noise, images: images, labels: labels}\n"
           "preprocess: {mean: [0.2860], std: [0.3530]}\n" +
           more;
  }

  /// Bytes that look random: the middle ones of a linear congruential sequence.
  static std::string noise(std::size_t count) {
    std::string bytes;
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < count; ++i) {
      state = state * 1664525U + 1013904223U;
      bytes += static_cast<char>(state >> 16U);
    }
    return bytes;
  }

  std::filesystem::path operator/(const std::string& name) const { return directory_ / name; }
  const std::filesystem::path& path() const { return directory_.path(); }
  void write(const std::string& name, const std::string& bytes) const {
    write_bytes(directory_ / name, bytes);
  }
  std::string read(const std::string& name) const { return read_bytes(directory_ / name); }
  bool has(const std::string& name) const { return std::filesystem::exists(directory_ / name); }

  Finished bitquake(const std::vector<std::string>& arguments) const {
    return run_command(path(), arguments);
  }
  /// Runs the command after a line of shell, such as one that sets a limit.
  Finished limited(const std::string& shell, const std::vector<std::string>& arguments) const {
    std::vector<std::string> words{"-c", shell + "\nexec \"$0\" \"$@\"", BITQUAKE_COMMAND};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return Process(path(), words, {}, {}, "/bin/sh").wait();
  }
  std::vector<Finished> bitquake_each(const std::vector<std::string>& lines) const {
    std::vector<std::vector<std::string>> lists;
    for (const std::string& line : lines) lists.push_back(words(line));
    return run_commands(path(), lists);
  }
  /// Runs scenario.yaml quietly into `directory`, with more arguments.
  Finished run(const std::string& directory, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"run", "scenario.yaml", "-q", "-o", directory};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return bitquake(arguments);
  }

 private:
  TempDirectory directory_;
};

/// Whether `text` holds `part`.
inline bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace bitquake::test
