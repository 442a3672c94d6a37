#include "augment/cpu_dispatch.hpp"
#include "suite/base/sha256.hpp"
#include "tests/augment/images.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <iostream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>

// Whether the bytes of images depend on the CPU: the test runs itself with instruction sets taken
// away from OpenCV, libjpeg-turbo and the C library.

namespace aug = bitquake::augment;
using bitquake::test::takes;
using bitquake::test::test_image;

namespace {

/// "NAME HASH" for each kind, over all severities, sizes and types.
std::string digests() {
  std::string lines;
  for (const aug::Kind& kind : aug::kinds()) {
    if (kind.source == "this test") continue;
    std::string bytes;
    for (const auto& [size, type] : {std::pair{cv::Size(28, 28), CV_8UC1},
                                     {cv::Size(32, 32), CV_8UC3},
                                     {cv::Size(131, 97), CV_8UC3},
                                     {cv::Size(97, 131), CV_16UC3}}) {
      if (!takes(kind, type)) continue;
      for (int severity = 1; severity <= 5; ++severity) {
        for (const std::uint64_t sample : {0, 1, 2}) {
          const cv::Mat image = bitquake::test::perturbed(
              test_image(size, type), kind.name + "/" + std::to_string(severity), sample);
          bytes.append(image.ptr<char>(), image.total() * image.elemSize());
        }
      }
    }
    lines += kind.name + " " + bitquake::sha256_hex(bytes) + "\n";
  }
  return lines;
}

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  REQUIRE(pipe != nullptr);
  std::string text;
  for (int c = fgetc(pipe.get()); c != EOF; c = fgetc(pipe.get())) text += static_cast<char>(c);
  return text;
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  return lines;
}

}  // namespace

TEST_CASE("digests of all kinds", "[.digests]") { std::cout << digests(); }

TEST_CASE("the dispatch text names what OpenCV uses", "[augment][dispatch]") {
  REQUIRE(aug::cpu_dispatch().rfind("OpenCV " CV_VERSION ":", 0) == 0);
  REQUIRE(aug::cpu_dispatch().find('?') == std::string::npos);
  REQUIRE(aug::cpu_dispatch().find('*') == std::string::npos);
}

TEST_CASE("images have the same bytes on lesser CPUs", "[augment][dispatch]") {
  const std::string here = digests();
  const std::string self = "/proc/" + std::to_string(getpid()) + "/exe '[.digests]' | grep -E ";
  for (const std::string without :
       {"OPENCV_CPU_DISABLE=AVX512-SKX", "OPENCV_CPU_DISABLE=AVX512-SKX,AVX2,FMA3",
        "OPENCV_CPU_DISABLE=AVX512-SKX,AVX2,FMA3,AVX,FP16,SSE4.2,SSE4.1,SSSE3,SSE3",
        "JSIMD_FORCENONE=1", "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX"}) {
    const std::string there = output_of(without + " " + self + "'^[a-z0-9_]+ [0-9a-f]{64}$'");
    REQUIRE_FALSE(there.empty());
    const auto expected = lines_of(here), got = lines_of(there);
    REQUIRE(expected.size() == got.size());
    std::string different;
    for (const std::string& line : got) {
      if (expected.count(line) == 0) different += line.substr(0, line.find(' ')) + " ";
    }
    INFO(without << " changes: " << different);
    REQUIRE(different.empty());
  }
}
