#include "augment/sheet.hpp"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace bitquake::augment {
namespace {

constexpr int kGap = 4, kLineHeight = 14, kLeastWidth = 100;
constexpr double kFontScale = 0.4;
const cv::Scalar kInk(30, 30, 30), kPaper(255, 255, 255), kBox(255, 60, 0);

/// How many times an image is enlarged.
int enlargement(const cv::Mat& image) {
  return std::max(1, (kLeastWidth + image.cols / 2) / image.cols);
}

int text_width(const std::string& text) {
  int below = 0;
  return cv::getTextSize(text, cv::FONT_HERSHEY_SIMPLEX, kFontScale, 1, &below).width;
}

void write(cv::Mat& sheet, const std::string& text, cv::Point baseline) {
  cv::putText(sheet, text, baseline, cv::FONT_HERSHEY_SIMPLEX, kFontScale, kInk, 1, cv::LINE_AA);
}

/// The text in lines that are as narrow as the width, broken after '+', ';' or anywhere.
std::vector<std::string> lines_of(const std::string& text, int width) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (text_width(lines.back() + c) > width && !lines.back().empty()) {
      const std::size_t split = lines.back().find_last_of("+;/_");
      std::string rest;
      if (split != std::string::npos && split + 1 < lines.back().size()) {
        rest = lines.back().substr(split + 1);
        lines.back().erase(split + 1);
      }
      lines.push_back(rest);
    }
    lines.back() += c;
  }
  return lines;
}

cv::Mat picture(const Scene& scene) {
  cv::Mat image = scene.image;
  if (image.depth() == CV_16U) image.convertTo(image, CV_8U, 1.0 / 257);
  if (image.channels() == 1) cv::cvtColor(image, image, cv::COLOR_GRAY2RGB);
  const int factor = enlargement(image);
  cv::Mat large;
  cv::resize(image, large, {}, factor, factor, cv::INTER_NEAREST);
  for (const Object& object : scene.objects) {
    const auto at = [&](double x) { return static_cast<int>(std::lround(x * factor)); };
    cv::rectangle(large, {at(object.box.x0), at(object.box.y0)},
                  {at(object.box.x1) - 1, at(object.box.y1) - 1}, kBox, 1);
    cv::putText(large, std::to_string(object.category),
                {at(object.box.x0) + 2, at(object.box.y0) + 11}, cv::FONT_HERSHEY_SIMPLEX,
                kFontScale, kBox, 1, cv::LINE_AA);
  }
  return large;
}

}  // namespace

Result<cv::Mat> contact_sheet(std::span<const SheetRow> rows, std::span<const Pipeline> columns,
                              std::uint64_t seed) {
  int cell_width = 0, label_width = 0;
  std::int64_t height = 0;
  for (const SheetRow& row : rows) {
    if (auto wrong = image_error(row.scene.image)) {
      wrong->where = row.label;
      return *std::move(wrong);
    }
    const int factor = enlargement(row.scene.image);
    cell_width = std::max(cell_width, row.scene.image.cols * factor);
    height += row.scene.image.rows * factor + kGap;
    label_width = std::max(label_width, text_width(row.label));
  }
  std::vector<std::vector<std::string>> titles;
  std::size_t title_lines = 1;
  for (const Pipeline& column : columns) {
    titles.push_back(lines_of(label(column), cell_width));
    title_lines = std::max(title_lines, titles.back().size());
  }
  const int top = static_cast<int>(title_lines) * kLineHeight + 2 * kGap;
  const int left = label_width + 2 * kGap;
  height += top;
  const std::int64_t width = left + static_cast<std::int64_t>(columns.size()) * (cell_width + kGap);
  if (std::max(width, height) > kMaxSheetSide || width * height > kMaxSheetPixels) {
    return Error{Errc::usage, "",
                 "the sheet would have " + std::to_string(width) + " x " + std::to_string(height) +
                     " pixels, more than viewers show",
                 "take fewer samples or perturbations", ""};
  }
  cv::Mat sheet(static_cast<int>(height), static_cast<int>(width), CV_8UC3, kPaper);
  for (std::size_t c = 0; c < titles.size(); ++c) {
    for (std::size_t i = 0; i < titles[c].size(); ++i) {
      write(sheet, titles[c][i],
            {left + static_cast<int>(c) * (cell_width + kGap),
             kGap + static_cast<int>(i + 1) * kLineHeight - 3});
    }
  }
  int y = top;
  for (const SheetRow& row : rows) {
    write(sheet, row.label, {kGap, y + kLineHeight});
    int x = left;
    for (const Pipeline& column : columns) {
      auto scene = apply(column, row.scene, seed, row.sample);
      if (!scene) {
        Error error = std::move(scene).error();
        error.where = row.label;
        return error;
      }
      const cv::Mat cell = picture(*scene);
      cell.copyTo(sheet(cv::Rect(x, y, std::min(cell.cols, cell_width), cell.rows)));
      x += cell_width + kGap;
    }
    y += row.scene.image.rows * enlargement(row.scene.image) + kGap;
  }
  return sheet;
}

}  // namespace bitquake::augment
