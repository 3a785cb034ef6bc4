#include "apps/bench/chart.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "apps/train/svg.h"

namespace gmlp {

namespace {

// The layout in pixels.
constexpr double kWidth = 960;
constexpr double kLeft = 340;   // where 0 % is
constexpr double kRight = 870;  // where 100 % is
constexpr double kTop = 96;
constexpr double kBar = 13;  // from one bar to the next
constexpr double kGap = 9;   // between groups
constexpr double kBottom = 40;

/// A share a little above 100 % is a probe that was disturbed; a bar shows that, but only just.
/// None of NaN.
double x_of(double percent) {
  return kLeft + (kRight - kLeft) * (percent > 0 ? std::min(percent, 105.0) : 0.0) / 100;
}

/// `more` are further attributes, with a blank before each.
std::string text(double x, double y, const char* anchor, const std::string& what,
                 const char* more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, xml_escaped(what));
}

/// A line every 20 %; 0 and 100, which mean something, are darker.
std::string grid(double bottom) {
  std::string out;
  for (int percent = 0; percent <= 100; percent += 20) {
    const double x = x_of(percent);
    out += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>\n", x,
        kTop - 6, bottom, percent % 100 == 0 ? "#888888" : "#e4e4e4");
    out += text(x, bottom + 18, "middle", fmt::format("{} %", percent));
  }
  return out;
}

/// Each library once, in the order of first bars.
std::string legend(const std::vector<BarGroup>& groups) {
  std::vector<std::pair<std::string, std::string>> seen;
  for (const BarGroup& group : groups) {
    for (const Bar& bar : group.bars) {
      const std::pair<std::string, std::string> entry(bar.by, bar.colour);
      if (std::find(seen.begin(), seen.end(), entry) == seen.end()) seen.push_back(entry);
    }
  }
  std::string out;
  double x = kLeft;
  for (const auto& [by, colour] : seen) {
    out += fmt::format(
        "<rect x=\"{:.1f}\" y=\"64\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{}\"/>\n", x,
        colour);
    out += text(x + 17, 74.5, "start", by);
    x += 42 + 7.0 * static_cast<double>(by.size());
  }
  return out;
}

}  // namespace

std::string draw_bar_chart(const std::string& title, const std::string& subtitle,
                           const std::vector<BarGroup>& groups) {
  std::string bars;
  double y = kTop;
  for (const BarGroup& group : groups) {
    const double height = kBar * static_cast<double>(group.bars.size());
    bars += text(kLeft - 10, y + height / 2 + 4, "end", group.title);
    for (const Bar& bar : group.bars) {
      bars += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n",
          kLeft, y, x_of(bar.percent) - kLeft, kBar - 1.5, bar.colour);
      bars += text(x_of(bar.percent) + 5, y + kBar - 3, "start", fmt::format("{:.0f}", bar.percent),
                   " font-size=\"10.5\"");
      y += kBar;
    }
    y += kGap;
  }
  const double height = y + kBottom;
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\" "
      "fill=\"#222222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      kWidth, height);
  out += text(kLeft, 30, "start", title, " font-size=\"16\" font-weight=\"bold\"");
  out += text(kLeft, 49, "start", subtitle, " fill=\"#666666\"");
  return out + legend(groups) + grid(y) + bars + "</svg>\n";
}

}  // namespace gmlp
