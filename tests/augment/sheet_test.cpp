#include "augment/sheet.hpp"

#include "tests/augment/images.hpp"

#include <catch2/catch.hpp>

#include <vector>

namespace aug = bitquake::augment;
using bitquake::test::test_image;

TEST_CASE("a contact sheet shows each image under each pipeline", "[augment][sheet]") {
  const std::vector<aug::SheetRow> rows{
      {"first", 0, {cv::Mat(20, 30, CV_8UC1, cv::Scalar(100)), {}}},
      {"second",
       1,
       {cv::Mat(300, 200, CV_8UC3, cv::Scalar(10, 20, 30)), {{.box = {5, 5, 50, 60}}}}},
      {"third", 2, {cv::Mat(40, 40, CV_16UC3, cv::Scalar(257, 514, 65535)), {}}}};
  const std::vector<aug::Pipeline> columns{*aug::parse_pipeline("clean"),
                                           *aug::parse_pipeline("brightness/1[shift=1]")};
  const auto sheet = aug::contact_sheet(rows, columns, 1);
  REQUIRE(sheet);
  REQUIRE(sheet->type() == CV_8UC3);
  REQUIRE(sheet->cols > 2 * 200);
  REQUIRE(sheet->rows > 3 * 20 + 300 + 3 * 40);
  const auto count = [&](const cv::Vec3b& colour) {
    cv::Mat found;
    cv::inRange(*sheet, colour, colour, found);
    return cv::countNonZero(found);
  };
  REQUIRE(count({100, 100, 100}) >= 3 * 3 * 20 * 30);  // three times as large, at least
  // The clean image but for its box, whose four lines are drawn in both columns.
  REQUIRE(count({10, 20, 30}) > 200 * 300 - 700);
  REQUIRE(count({10, 20, 30}) < 200 * 300);
  REQUIRE(count({255, 60, 0}) >= 2 * (2 * 45 + 2 * 55 - 4));
  REQUIRE(count({1, 2, 255}) >= 40 * 40 * 3 * 3 - 100);
}

TEST_CASE("a contact sheet says which row cannot be perturbed", "[augment][sheet]") {
  const std::vector<aug::SheetRow> rows{{"grey one", 0, {test_image({9, 9}, CV_8UC1), {}}}};
  const std::vector<aug::Pipeline> columns{*aug::parse_pipeline("saturate/1")};
  const auto sheet = aug::contact_sheet(rows, columns, 1);
  REQUIRE_FALSE(sheet);
  REQUIRE(sheet.error().where == "grey one");
}

TEST_CASE("a contact sheet too large to look at is refused", "[augment][sheet]") {
  const std::vector<aug::SheetRow> rows(2, {"wide", 0, {test_image({999, 1}, CV_8UC1), {}}});
  const std::vector<aug::Pipeline> fits(65), too_many(66);
  REQUIRE(aug::contact_sheet(rows, fits, 1));
  const auto sheet = aug::contact_sheet(rows, too_many, 1);
  REQUIRE_FALSE(sheet);
  REQUIRE(sheet.error().code == bitquake::Errc::usage);
}
