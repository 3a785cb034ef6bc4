#include "apps/train/svg.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/io/json.h"

namespace gmlp {

namespace {

// Panels, in pixels.
constexpr double kPanelWidth = 460, kPanelHeight = 340;
constexpr double kLeft = 64, kRight = 16, kTop = 72, kBottom = 52;         // margins of the plot
constexpr double kTallHeight = 440, kLegendWidth = 250, kLegendLine = 20;  // legend_beside
constexpr size_t kMaxMarked = 30;  // longer curves have no marks
// Bars, in pixels.
constexpr double kChartWidth = 860, kBarsTop = 96, kBar = 15, kBarGap = 9;
constexpr double kCharacterWidth = 7;
constexpr const char* kBarColours[] = {"#d6604d", "#4a84c4", "#e0a03c", "#8a9a5b", "#9a78b8"};

// Viewers without media queries show the first line's colors.
constexpr const char* kStyle =
    "<style>.paper{fill:#fff}text{fill:#222}.axis{stroke:#555}.grid{stroke:#e4e4e4}"
    "@media(prefers-color-scheme:dark){"
    ".paper{fill:#0d1117}text{fill:#d6d9de}.axis{stroke:#999}.grid{stroke:#30363d}}</style>";

// Outlines around (0, 0), in the order of Mark.
constexpr const char* kMarks[] = {"M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z", "M-.85-.85h1.7v1.7h-1.7z",
                                  "M0-1L1 0 0 1-1 0z", "M0-1L1 .85H-1z"};

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const std::string& attributes = "") {
  return fmt::format("<text x='{:.1f}' y='{:.1f}' text-anchor='{}' {}>{}</text>\n", x, y, anchor,
                     attributes, xml_escaped(text));
}

std::string line_between(double x1, double y1, double x2, double y2, const char* kind) {
  return fmt::format("<path class='{}' d='M{:.1f} {:.1f}L{:.1f} {:.1f}'/>\n", kind, x1, y1, x2, y2);
}

std::string rectangle(double x, double y, double width, double height, const std::string& colour) {
  return fmt::format("<path fill='{}' d='M{:.1f} {:.1f}h{:.1f}v{:.1f}h{:.1f}z'/>\n", colour, x, y,
                     width, height, -width);
}

std::string draw_mark(double x, double y, const Curve& curve) {
  // Lone marks are nearly transparent, so that overlapping ones stay visible.
  return fmt::format(
      "<path fill='{0}' fill-opacity='{1}' stroke='{0}' stroke-width='0.3' d='{2}' "
      "transform='translate({3:.1f} {4:.1f}) scale({5})'/>\n",
      curve.colour, curve.joined ? 1.0 : 0.25, kMarks[static_cast<size_t>(curve.mark)], x, y,
      curve.joined ? 2.5 : 5.5);
}

std::string document(const std::string& title, double width, double height,
                     const std::string& body) {
  return fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0:.0f}' height='{1:.0f}' "
      "viewBox='0 0 {0:.0f} {1:.0f}' font-family='sans-serif' font-size='12'>\n"
      "<title>{2}</title>\n{3}\n<rect class='paper' width='100%' height='100%'/>\n{4}</svg>\n",
      width, height, xml_escaped(title), kStyle, body);
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  /// With a margin on both sides; never empty.
  Range padded(double share) const {
    if (!(low <= high)) return {0, 1};
    const double margin = high > low ? (high - low) * share : std::max(std::abs(high) * 0.1, 0.5);
    return {low - margin, high + margin};
  }
};

/// False for NaN and for numbers so large that the axis around them would overflow.
bool drawable(double value) {
  return std::abs(value) <= 1e300;
}

double error_at(const Curve& curve, size_t i) {
  return curve.errors.empty() ? 0 : curve.errors[i];
}

/// Removes points that cannot be placed, which a diverged run has.
void keep_drawable(Curve& curve, bool log_x) {
  for (size_t i = curve.points.size(); i-- > 0;) {
    const auto [x, y] = curve.points[i];
    const double error = error_at(curve, i);
    if (drawable(x) && (!log_x || x > 0) && drawable(y - error) && drawable(y + error)) continue;
    curve.points.erase(curve.points.begin() + static_cast<std::ptrdiff_t>(i));
    if (!curve.errors.empty()) {
      curve.errors.erase(curve.errors.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

/// Maps values to pixels. On a logarithmic axis `x` is the range of log10 x.
struct Frame {
  double left, right, bottom;
  bool log_x;
  Range x, y;

  Frame(const Panel& panel, double origin)
      : left(origin + kLeft),
        right(origin + kPanelWidth - kRight),
        bottom((panel.legend_beside ? kTallHeight : kPanelHeight) - kBottom),
        log_x(panel.log_x) {
    double margin = 0;
    for (const Curve& curve : panel.curves) {
      if (!curve.joined) margin = 0.05;  // marks reach beyond their points
      for (size_t i = 0; i < curve.points.size(); ++i) {
        x.include(scaled(curve.points[i].first));
        y.include(curve.points[i].second - error_at(curve, i));
        y.include(curve.points[i].second + error_at(curve, i));
      }
    }
    x = x.padded(margin);
    y = y.padded(0.05);
  }
  double scaled(double value) const { return log_x ? std::log10(value) : value; }
  double px(double value) const {
    return left + (right - left) * (scaled(value) - x.low) / (x.high - x.low);
  }
  double py(double value) const {
    return bottom - (bottom - kTop) * (value - y.low) / (y.high - y.low);
  }
};

std::string draw_axes(const Frame& frame, const Panel& panel) {
  const double bottom = frame.bottom;
  std::string out;
  for (const double tick : axis_ticks(frame.y.low, frame.y.high, 6)) {
    const double y = frame.py(tick);
    out += line_between(frame.left, y, frame.right, y, "grid");
    out += text_at(frame.left - 6, y + 4, "end", fmt::format("{:.4g}", tick));
  }
  const Range& range = frame.x;
  for (const double tick : frame.log_x
                               ? log_axis_ticks(std::pow(10, range.low), std::pow(10, range.high))
                               : axis_ticks(range.low, range.high, 6)) {
    const double x = frame.px(tick);
    out += line_between(x, bottom, x, bottom + 4, "axis");
    out += text_at(x, bottom + 18, "middle", fmt::format("{:.6g}", tick));
  }
  out += line_between(frame.left, bottom, frame.right, bottom, "axis");
  out += line_between(frame.left, kTop, frame.left, bottom, "axis");
  const double x = frame.left - kLeft + 16;
  const double y = (kTop + bottom) / 2;
  out += text_at(x, y, "middle", panel.y_label,
                 fmt::format("transform='rotate(-90 {:.1f} {:.1f})'", x, y));
  const double center = (frame.left + frame.right) / 2;
  out += text_at(center, bottom + 40, "middle", panel.x_label);
  return out + text_at(center, kTop - 24, "middle", panel.title, "font-weight='bold'");
}

std::string draw_curve(const Frame& frame, const Curve& curve) {
  std::string points, out;
  for (const auto& [x, y] : curve.points) {
    points += fmt::format("{:.1f},{:.1f} ", frame.px(x), frame.py(y));
    if (curve.points.size() <= kMaxMarked) out += draw_mark(frame.px(x), frame.py(y), curve);
  }
  if (curve.joined) {
    out += fmt::format("<polyline fill='none' stroke='{}' stroke-width='1.8' points='{}'/>\n",
                       curve.colour, points);
  }
  for (size_t i = 0; i < curve.errors.size(); ++i) {
    const auto& [x, y] = curve.points[i];
    out +=
        fmt::format("<path stroke='{}' d='M{:.1f} {:.1f}h8m-4 0V{:.1f}m-4 0h8'/>\n", curve.colour,
                    frame.px(x) - 4, frame.py(y + curve.errors[i]), frame.py(y - curve.errors[i]));
  }
  return out;
}

std::string draw_panel(const Panel& whole, double origin) {
  Panel panel = whole;
  for (Curve& curve : panel.curves) keep_drawable(curve, panel.log_x);
  const Frame frame(panel, origin);
  std::string out = draw_axes(frame, panel);
  double x = panel.legend_beside ? frame.right + 20 : frame.left + 8;
  double y = panel.legend_beside ? kTop + 12 : kTop - 8;
  for (const Curve& curve : panel.curves) {
    out += draw_curve(frame, curve);
    out += curve.joined ? rectangle(x, y - 5, 14, 3, curve.colour) : draw_mark(x + 7, y - 4, curve);
    out += text_at(x + 18, y, "start", curve.name);
    if (panel.legend_beside) {
      y += kLegendLine;
    } else {
      x += 40 + kCharacterWidth * static_cast<double>(curve.name.size());
    }
  }
  return out;
}

const char* bar_colour(size_t series) {
  return kBarColours[series % std::size(kBarColours)];
}

}  // namespace

std::string draw_svg(const std::string& title, const std::vector<Panel>& panels) {
  double width = 0;
  double height = kPanelHeight;
  std::string body;
  for (const Panel& panel : panels) {
    body += draw_panel(panel, width);
    width += kPanelWidth + (panel.legend_beside ? kLegendWidth : 0);
    if (panel.legend_beside) height = kTallHeight;
  }
  return document(title, width, height,
                  text_at(width / 2, 24, "middle", title, "font-size='15'") + body);
}

std::string draw_bars(const BarChart& chart) {
  size_t longest = 0;
  double high = chart.axis.find('%') == std::string::npos ? 0 : 100;
  for (const BarChart::Group& group : chart.groups) {
    longest = std::max(longest, group.name.size());
    for (const double value : group.values) high = drawable(value) ? std::max(high, value) : high;
  }
  const double left = 24 + kCharacterWidth * static_cast<double>(longest);
  const double scale = (kChartWidth - 60 - left) / std::max(high, 1e-300);
  std::string bars;
  double y = kBarsTop;
  for (const BarChart::Group& group : chart.groups) {
    const double top = y;
    for (size_t i = 0; i < group.values.size(); ++i) {
      const double value = group.values[i];
      if (!drawable(value) || value < 0) continue;
      const double end = left + scale * value;
      bars += rectangle(left, y, end - left, kBar - 2, bar_colour(i));
      const int decimals = value < 1 ? 2 : (value < 10 ? 1 : 0);
      bars += text_at(end + 5, y + kBar - 4, "start", fmt::format("{:.{}f}", value, decimals));
      y += kBar;
    }
    bars += text_at(left - 10, (top + y) / 2 + 3, "end", group.name);
    y += kBarGap;
  }
  std::string out = text_at(16, 28, "start", chart.title, "font-size='16' font-weight='bold'");
  out += text_at(16, 48, "start", chart.subtitle);
  double x = left;
  for (size_t i = 0; i < chart.series.size(); ++i) {
    out += rectangle(x, 64, 12, 12, bar_colour(i));
    out += text_at(x + 17, 74.5, "start", chart.series[i]);
    x += 42 + kCharacterWidth * static_cast<double>(chart.series[i].size());
  }
  for (const double tick : axis_ticks(0, high, 6)) {
    const double place = left + scale * tick;
    out += line_between(place, kBarsTop - 6, place, y, tick == 0 ? "axis" : "grid");
    out += text_at(place, y + 18, "middle", fmt::format("{:.6g}", tick));
  }
  out += text_at((left + kChartWidth - 60) / 2, y + 38, "middle", chart.axis);
  return document(chart.title, kChartWidth, y + kBottom, out + bars);
}

std::string xml_escaped(const std::string& text) {
  const std::string valid = utf8_of(text);
  std::string result;
  for (size_t i = 0; i < valid.size(); ++i) {
    const char c = valid[i];
    const std::string three = valid.substr(i, 3);
    const bool noncharacter = three == "\xEF\xBF\xBE" || three == "\xEF\xBF\xBF";
    const bool control =
        static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r';
    if (noncharacter || control) {
      result += "\xEF\xBF\xBD";  // U+FFFD
      if (noncharacter) i += 2;
    } else {
      result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
    }
  }
  return result;
}

std::vector<double> axis_ticks(double low, double high, int wanted) {
  const double raw = (high - low) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) step = factor * power >= raw ? factor * power : step;
  constexpr double kMaxSteps = 9e15;  // doubles cannot count beyond 2^53
  const bool countable = low < high && std::isfinite(step) &&
                         std::max(std::abs(low), std::abs(high)) / step <= kMaxSteps;
  if (!countable) return {};
  std::vector<double> ticks;
  for (double i = std::ceil(low / step); i <= std::floor(high / step); ++i) {
    ticks.push_back(i * step);
  }
  return ticks;
}

std::vector<double> log_axis_ticks(double low, double high) {
  if (!(0 < low && low < high && std::isfinite(high))) return {};
  const std::vector<std::vector<double>> steps = {
      {1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9}};
  for (const std::vector<double>& factors : steps) {
    std::vector<double> ticks;
    for (double power = std::floor(std::log10(low)); power <= std::log10(high); ++power) {
      for (const double factor : factors) {
        const double tick = factor * std::pow(10.0, power);
        if (low <= tick && tick <= high) ticks.push_back(tick);
      }
    }
    if (ticks.size() >= 4) return ticks;
  }
  return axis_ticks(low, high, 4);  // so narrow that the axis is nearly linear
}

}  // namespace gmlp
