// Charts: ticks, points and error bars, bars, and valid XML.

#include "apps/train/svg.h"

#include <limits>

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
  CHECK(svg.find("points='64.0,") != std::string::npos);
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
  CHECK(count_of(svg, "<path fill='#123456'") == 2);    // the point, and the legend's
  CHECK(count_of(svg, "<path stroke='#123456'") == 1);  // the error bar
  CHECK(svg.find("width='710'") != std::string::npos);  // wider, for the legend
}

TEST_CASE("points that are not finite are left out of a picture") {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double huge = std::numeric_limits<double>::max();
  const auto drawn = [](const std::vector<std::pair<double, double>>& points, bool log_x) {
    gmlp::Panel panel{"", "x", "y", {{"line", "#123456", points}}};
    panel.log_x = log_x;
    panel.curves[0].errors.assign(points.size(), 0.5);
    return gmlp::draw_svg("title", {panel});
  };
  const std::string whole = drawn({{1, 2}, {3, 4}}, false);
  CHECK(drawn({{1, 2}, {2, nan}, {3, 4}, {4, inf}, {5, -inf}, {6, huge}}, false) == whole);
  CHECK(drawn({{nan, 1}, {-inf, 3}, {1, 2}, {3, 4}, {inf, 2}}, false) == whole);
  CHECK(drawn({{0, 1}, {-1, 3}, {1, 2}, {3, 4}}, true) == drawn({{1, 2}, {3, 4}}, true));
  for (const std::string& picture : {whole, drawn({{1, nan}}, false), drawn({{nan, 1}}, true)}) {
    CHECK(picture.find("nan") == std::string::npos);
    CHECK(picture.find("inf") == std::string::npos);
    CHECK(count_of(picture, "</svg>") == 1);
  }
}

TEST_CASE("a bar's length is its value, and a missing value has no bar") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const gmlp::BarChart chart{
      "title", "machine", "ms", {"ours", "theirs"}, {{"a", {50, 200}}, {"b", {nan, 100}}}};
  const std::string svg = gmlp::draw_bars(chart);
  CHECK(count_of(svg, "h12.0v12.0") == 2);  // the legend
  CHECK(count_of(svg, "v13.0h") == 3);
  // The plot is 769 pixels wide, from 31 to 800.
  CHECK(count_of(svg, "M31.0 96.0h192.2v") == 1);
  CHECK(count_of(svg, "M31.0 111.0h769.0v") == 1);
  CHECK(count_of(svg, "M31.0 135.0h384.5v") == 1);
  CHECK(svg.find("nan") == std::string::npos);
}

TEST_CASE("an axis whose ends are not finite has no ticks") {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double huge = std::numeric_limits<double>::max();
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {nan, nan}, {0, nan}, {nan, 1}, {-inf, inf}, {0, inf}, {1, 1}, {-huge, huge}}) {
    INFO(low << " to " << high);
    CHECK(gmlp::axis_ticks(low, high, 6).empty());
    CHECK(gmlp::log_axis_ticks(low, high).empty());
  }
  CHECK(gmlp::axis_ticks(0, 1, 5).size() == 6);
}

TEST_CASE("text in a picture is valid XML, whatever bytes it is of") {
  const std::string replaced = "\xEF\xBF\xBD";  // U+FFFD
  CHECK(gmlp::xml_escaped("a < b & c > d") == "a &lt; b &amp; c &gt; d");
  CHECK(gmlp::xml_escaped("caf\xC3\xA9 \xE2\x89\xA4 \xF0\x9F\x99\x82") ==
        "caf\xC3\xA9 \xE2\x89\xA4 \xF0\x9F\x99\x82");
  CHECK(gmlp::xml_escaped("tab\there\n") == "tab\there\n");
  CHECK(gmlp::xml_escaped("a\x01"
                          "b\x1B[0m") == "a" + replaced + "b" + replaced + "[0m");
  CHECK(gmlp::xml_escaped(std::string("\0", 1)) == replaced);
  CHECK(gmlp::xml_escaped("\xFF<") == replaced + "&lt;");
  CHECK(gmlp::xml_escaped("\xEF\xBF\xBE") == replaced);
  const std::string picture = gmlp::draw_svg("of \xFF & \x02", {});
  CHECK(picture.find("<title>of " + replaced + " &amp; " + replaced + "</title>") !=
        std::string::npos);
}
