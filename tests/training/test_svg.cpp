// Pictures of runs: ticks of a logarithmic axis, and what a panel of points holds.

#include "apps/training/svg.h"
#include "tests/support/catch.h"

namespace {

int64_t count_of(const std::string& text, const std::string& part) {
  int64_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("a logarithmic axis has powers of ten, and numbers between where those are few") {
  CHECK(gmlp::log_axis_ticks(0.5, 2e4) == std::vector<double>{1, 10, 100, 1000, 10000});
  const std::vector<double> narrow = gmlp::log_axis_ticks(0.45, 1.8);
  REQUIRE(narrow.size() == 4);
  CHECK(narrow[0] == Approx(0.5));
  CHECK(narrow[1] == Approx(0.7));
  CHECK(narrow[2] == Approx(1.0));
  CHECK(narrow[3] == Approx(1.5));
  for (const double tick : gmlp::log_axis_ticks(1.01, 1.09)) {
    CHECK(tick > 1.0);
    CHECK(tick < 1.1);
  }
}

TEST_CASE("equal factors are equal distances on a logarithmic axis") {
  gmlp::Panel panel{"", "x", "y", {{"line", "#123456", {{1, 1}, {10, 2}, {100, 3}}}}};
  panel.log_x = true;
  const std::string svg = gmlp::draw_svg("title", {panel});
  // The plot is 380 pixels wide and begins at 64.
  CHECK(svg.find("points=\"64.0,") != std::string::npos);
  CHECK(svg.find(" 254.0,") != std::string::npos);
  CHECK(svg.find(" 444.0,") != std::string::npos);
}

TEST_CASE("lone points have a mark and an error bar, and no line") {
  gmlp::Curve point{"point", "#123456", {{2, 5}}};
  point.joined = false;
  point.mark = gmlp::Mark::kDiamond;
  point.errors = {1};
  gmlp::Panel panel{"", "x", "y", {point}};
  panel.legend_beside = true;
  const std::string svg = gmlp::draw_svg("title", {panel});
  CHECK(count_of(svg, "<polyline") == 0);
  CHECK(count_of(svg, "<polygon") == 2);                  // the point, and the legend's
  CHECK(count_of(svg, "stroke=\"#123456\"/>") == 3);      // the bar and its two ends
  CHECK(svg.find("width=\"710\"") != std::string::npos);  // with room for the legend
}
