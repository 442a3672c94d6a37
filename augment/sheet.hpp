#pragma once

#include "augment/pipeline.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace bitquake::augment {

/// A row of a contact sheet.
struct SheetRow {
  std::string label;
  std::uint64_t sample = 0;  ///< of the data set: what is drawn for it
  Scene scene;
};

/// Largest contact sheet, in pixels, and its largest side: what viewers of images can show.
inline constexpr std::int64_t kMaxSheetPixels = 200'000'000, kMaxSheetSide = 65'535;

/// A contact sheet: a row for each sample, a column for each pipeline, labels above and to the
/// left, boxes drawn in. Small images are enlarged by whole pixels, so that each is at least about
/// 100 px wide. All of one row and column have the same size, each row that of its image.
/// @return CV_8UC3, RGB; 16-bit images are shown with their high 8 bits. Errc::data for an image
/// that
///         a pipeline refuses, with the row's label as its place; Errc::usage for a sheet of more
///         than kMaxSheetPixels
Result<cv::Mat> contact_sheet(std::span<const SheetRow> rows, std::span<const Pipeline> columns,
                              std::uint64_t seed);

}  // namespace bitquake::augment
