#include "tests/cli/workspace.hpp"

#include <catch2/catch.hpp>
#include <zlib.h>

using namespace bitquake::test;

namespace {

std::string little_endian(std::uint64_t value, unsigned bytes) {
  std::string text;
  for (unsigned i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

/// A zip archive of stored entries. Source: PKWARE, APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.16.
std::string zip(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string files, directory;
  for (const auto& [name, content] : entries) {
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    // version 2.0, no flags, stored, no time, checksum, both sizes, length of name, no extra field
    const std::string common = little_endian(20, 2) + std::string(8, '\0') + little_endian(crc, 4) +
                               little_endian(content.size(), 4) + little_endian(content.size(), 4) +
                               little_endian(name.size(), 2) + little_endian(0, 2);
    directory += "PK\x01\x02" + little_endian(20, 2) + common + std::string(10, '\0') +
                 little_endian(files.size(), 4) + name;
    files += "PK\x03\x04" + common + name + content;
  }
  return files + directory + "PK\x05\x06" + std::string(4, '\0') +
         little_endian(entries.size(), 2) + little_endian(entries.size(), 2) +
         little_endian(directory.size(), 4) + little_endian(files.size(), 4) + std::string(2, '\0');
}

}  // namespace

TEST_CASE("a data set that is missing, damaged or does not fit exits with 4", "[cli]") {
  const Workspace workspace;
  const std::string images = workspace.read("images");
  workspace.write("cut", images.substr(0, images.size() - 10));
  workspace.write("large", idx_file({100, 32, 32}, std::string(100 * 32 * 32, '\1')));
  workspace.write("few", idx_file({99}, std::string(99, '\1')));
  std::string labels(100, '\1');
  labels[70] = 10;
  workspace.write("eleven", idx_file({100}, labels));
  struct Case {
    const char* set;
    const char* err;
  };
  const std::vector<Case> cases{
      Case{"data.images=none", "none: error: cannot be opened: No such file or directory\n"},
      Case{"data.images=cut", "cut: error: header says 78400 bytes of data, got 78390\n"},
      Case{"data.images=labels",
           "labels: error: expected an idx file of images, which begins with "
           "00 00 08 03; got 00 00 08 01\n"},
      Case{"data.images=large",
           "large, sample 0: error: image is 1x32x32 (channels x height x "
           "width), the model takes 1x28x28\n"},
      Case{"data.labels=few", "few: error: has 99 labels, expected one for each of 100 images"},
      Case{"data.labels=eleven",
           "images: error: sample 70 has label 10, but the model has 10 classes\n"},
      Case{"data.samples=101",
           "data.samples: error: a subset of 101 samples was asked for, the data set has 100\n"}};
  std::vector<std::string> lines;
  for (const Case& item : cases) {
    lines.push_back(std::string("check scenario.yaml --set ") + item.set);
    lines.push_back(std::string("run scenario.yaml -q --set ") + item.set + " -o " +
                    std::to_string(lines.size()));
  }
  const std::vector<Finished> results = workspace.bitquake_each(lines);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Finished& got = results[i];
    CAPTURE(lines[i], got.err);
    REQUIRE_THAT(got.err, Catch::Matchers::StartsWith(cases[i / 2].err));
    REQUIRE(holds(got.err, "\nhint: "));
    REQUIRE(got.out.empty());
    REQUIRE(got.exit_code == 4);
  }
}

TEST_CASE("a model file that is missing or no TorchScript exits with 4, without a stack trace",
          "[cli]") {
  const Workspace workspace;
  const std::string model = workspace.read("model.pt");
  workspace.write("cut.pt", model.substr(0, model.size() / 2));
  workspace.write("text.pt", "not a model\n");
  workspace.write("empty.pt", "");
  workspace.write("other.pt", zip({{"readme.txt", "some other archive"}}));
  // What torch.save({}) writes: a pickled empty dictionary.
  workspace.write("weights.pt",
                  zip({{"archive/data.pkl", "\x80\x02}q."}, {"archive/version", "3"}}));
  struct Case {
    const char* file;
    const char* what;
  };
  const std::vector<Case> cases{
      Case{"none.pt", "no such model file"},
      Case{".", "no such model file"},
      Case{"cut.pt", "is not a TorchScript file"},
      Case{"text.pt", "is not a TorchScript file"},
      Case{"empty.pt", "is not a TorchScript file"},
      Case{"other.pt", "is not a TorchScript file"},
      Case{"weights.pt", "is a PyTorch file, but holds no TorchScript module"}};
  std::vector<std::string> lines;
  for (const Case& item : cases) {
    lines.push_back(std::string("model info --input 1x28x28 ") + item.file);
  }
  const std::vector<Finished> results = workspace.bitquake_each(lines);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Finished& got = results[i];
    CAPTURE(lines[i]);
    REQUIRE_THAT(got.err, Catch::Matchers::StartsWith(std::string(cases[i].file) +
                                                      ": error: " + cases[i].what + "\n"));
    REQUIRE(holds(got.err, "\nhint: "));
    REQUIRE(!holds(got.err, "frame #"));
    REQUIRE(got.out.empty());
    REQUIRE(got.exit_code == 4);
  }
}

TEST_CASE("a campaign with an unusable model exits with 4 and leaves no directory", "[cli]") {
  const Workspace workspace;
  workspace.write("text.pt", "not a model\n");
  const Finished got = workspace.run("out", {"--set", "model.file=text.pt"});
  REQUIRE(got.exit_code == 4);
  REQUIRE(holds(got.err, "text.pt: error: is not a TorchScript file\n"));
  REQUIRE(got.out.empty());
  REQUIRE(!workspace.has("out"));
}

TEST_CASE("a model that does not take the input shape is refused with the reason", "[cli]") {
  const Workspace workspace;
  const Finished got = workspace.run("out", {"--set", "model.input=[3, 28, 28]"});
  REQUIRE(got.exit_code == 4);
  REQUIRE(holds(got.err, "model.pt: error: does not run on an input of shape 1x3x28x28"));
  REQUIRE(holds(got.err, "but got 3 channels"));
  REQUIRE(!holds(got.err, "frame #"));
  REQUIRE(got.out.empty());
}
