#pragma once

#include "datasets/dataset.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <cstdint>
#include <fuzzer/FuzzedDataProvider.h>
#include <limits>
#include <string>

/// What fuzz targets of data sets have in common.
namespace bitquake::fuzz {

inline void check_refusal(const Error& error) {
  require(error.code == Errc::data && !error.what.empty(), "a refusal is of its kind and says why");
}

inline void use_image(const cv::Mat& image) {
  std::uint64_t sum = 0;
  for (int row = 0; row < image.rows; ++row) {
    const auto* bytes = image.ptr(row);
    for (std::size_t i = 0; i < static_cast<std::size_t>(image.cols) * image.elemSize(); ++i) {
      sum += bytes[i];
    }
  }
  require(sum < std::numeric_limits<std::uint64_t>::max(), "all pixels are readable");
}

/// Every sample can be had or is refused, and agrees with what is known of it beforehand.
inline void use_data(const datasets::OpenedDataset& opened) {
  if (!opened) return check_refusal(opened.error());
  const datasets::Dataset& data = **opened;
  require(data.size() > 0, "a data set has samples");
  require(!data.checksums().empty(), "each file has a checksum");
  const std::size_t files = data.files().size();
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(data.size(), 200); ++i) {
    const datasets::Entry entry = data.entry(i);
    require(entry.file_number < files, "a sample has a file");
    const auto sample = data.get(i);
    if (!sample) {
      check_refusal(sample.error());
      continue;
    }
    require(sample->id == entry.id && sample->index == entry.index &&
                sample->label == entry.label && sample->file_number == entry.file_number,
            "a sample is what was said of it");
    require(sample->label.value_or(0) >= 0, "labels are numbers of classes");
    require(*data.content_hash(i) == sample->content_hash, "content has one hash");
    use_image(sample->image);
  }
}

/// A right text that bytes were put over or cut out of; sometimes any bytes.
inline std::string damaged(std::string text, FuzzedDataProvider& bytes) {
  if (bytes.ConsumeIntegralInRange<unsigned>(0, 7) == 7)
    return bytes.ConsumeRemainingBytesAsString();
  while (bytes.remaining_bytes() > 0 && !text.empty()) {
    const auto at = bytes.ConsumeIntegralInRange<std::size_t>(0, text.size() - 1);
    const auto length = bytes.ConsumeIntegralInRange<std::size_t>(0, 4);
    text.replace(at, length, bytes.ConsumeRandomLengthString(12));
  }
  return text;
}

}  // namespace bitquake::fuzz
