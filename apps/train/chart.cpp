#include "apps/train/chart.h"

#include <algorithm>
#include <cmath>
#include <map>

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
constexpr const char* kBarColours[] = {"#d6604d", "#4a84c4", "#e0a03c", "#8a9a5b", "#9a78b8"};

// Viewers without media queries show the first line's colors.
constexpr const char* kStyle =
    "<style>.paper{fill:#fff}text{fill:#222}.axis{stroke:#555}.grid{stroke:#e4e4e4}"
    "@media(prefers-color-scheme:dark){"
    ".paper{fill:#0d1117}text{fill:#d6d9de}.axis{stroke:#999}.grid{stroke:#30363d}}</style>";

// Outlines around (0, 0), in the order of Mark.
constexpr const char* kMarks[] = {"M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z", "M-.85-.85h1.7v1.7h-1.7z",
                                  "M0-1L1 0 0 1-1 0z", "M0-1L1 .85H-1z"};

double text_width(const std::string& text) {
  return 7 * static_cast<double>(text.size());
}

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

/// False for NaN and for numbers so large that the axis around them would overflow.
bool drawable(double value) {
  return std::abs(value) <= 1e300;
}

struct Point {
  double x, y, error;
};

/// The points that can be placed; a diverged run has others.
std::vector<Point> drawable_points(const Curve& curve, bool log_x) {
  std::vector<Point> points;
  for (size_t i = 0; i < curve.points.size(); ++i) {
    const auto [x, y] = curve.points[i];
    const double error = curve.errors.empty() ? 0 : curve.errors[i];
    if (!drawable(x) || !drawable(y - error) || !drawable(y + error) || (log_x && x <= 0)) continue;
    points.push_back({x, y, error});
  }
  return points;
}

/// Maps values to pixels.
struct Axis {
  double from, to;  // pixels
  bool logarithmic = false;
  double low = HUGE_VAL, high = -HUGE_VAL;  // of the values, or of their log10

  double scaled(double value) const { return logarithmic ? std::log10(value) : value; }
  double pixel(double value) const {
    return from + (to - from) * (scaled(value) - low) / (high - low);
  }
  void include(double value) {
    low = std::min(low, scaled(value));
    high = std::max(high, scaled(value));
  }
  /// Adds a margin on both sides. The axis is never empty.
  void pad(double share) {
    if (low > high) low = 0, high = 1, share = 0;
    const double margin = high > low ? (high - low) * share : std::max(std::abs(high) * 0.1, 0.5);
    low -= margin;
    high += margin;
  }
  std::vector<double> ticks() const {
    return logarithmic ? log_axis_ticks(std::pow(10, low), std::pow(10, high))
                       : axis_ticks(low, high, 6);
  }
};

struct Frame {
  Axis x, y;

  Frame(const Panel& panel, double origin)
      : x{origin + kLeft, origin + kPanelWidth - kRight, panel.log_x},
        y{(panel.legend_beside ? kTallHeight : kPanelHeight) - kBottom, kTop} {
    double margin = 0;
    for (const Curve& curve : panel.curves) {
      if (!curve.joined) margin = 0.05;  // marks reach beyond their points
      for (const Point& point : drawable_points(curve, panel.log_x)) {
        x.include(point.x);
        y.include(point.y - point.error);
        y.include(point.y + point.error);
      }
    }
    x.pad(margin);
    y.pad(0.05);
  }
};

std::string draw_axes(const Frame& frame, const Panel& panel) {
  const double left = frame.x.from, right = frame.x.to, bottom = frame.y.from;
  std::string out;
  for (const double tick : frame.y.ticks()) {
    const double y = frame.y.pixel(tick);
    out += line_between(left, y, right, y, "grid");
    out += text_at(left - 6, y + 4, "end", fmt::format("{:.4g}", tick));
  }
  for (const double tick : frame.x.ticks()) {
    const double x = frame.x.pixel(tick);
    out += line_between(x, bottom, x, bottom + 4, "axis");
    out += text_at(x, bottom + 18, "middle", fmt::format("{:.6g}", tick));
  }
  out += line_between(left, bottom, right, bottom, "axis");
  out += line_between(left, kTop, left, bottom, "axis");
  const double x = left - kLeft + 16, y = (kTop + bottom) / 2, center = (left + right) / 2;
  out += text_at(x, y, "middle", panel.y_label,
                 fmt::format("transform='rotate(-90 {:.1f} {:.1f})'", x, y));
  out += text_at(center, bottom + 40, "middle", panel.x_label);
  return out + text_at(center, kTop - 24, "middle", panel.title, "font-weight='bold'");
}

std::string draw_curve(const Frame& frame, const Curve& curve) {
  const std::vector<Point> points = drawable_points(curve, frame.x.logarithmic);
  std::string line, out;
  for (const Point& point : points) {
    const double x = frame.x.pixel(point.x), y = frame.y.pixel(point.y);
    line += fmt::format("{:.1f},{:.1f} ", x, y);
    if (points.size() <= kMaxMarked) out += draw_mark(x, y, curve);
    if (curve.errors.empty()) continue;
    out += fmt::format("<path stroke='{}' d='M{:.1f} {:.1f}h8m-4 0V{:.1f}m-4 0h8'/>\n",
                       curve.colour, x - 4, frame.y.pixel(point.y + point.error),
                       frame.y.pixel(point.y - point.error));
  }
  if (!curve.joined) return out;
  return out + fmt::format("<polyline fill='none' stroke='{}' stroke-width='1.8' points='{}'/>\n",
                           curve.colour, line);
}

std::string draw_panel(const Panel& panel, double origin) {
  const Frame frame(panel, origin);
  std::string out = draw_axes(frame, panel);
  double x = panel.legend_beside ? frame.x.to + 20 : frame.x.from + 8;
  double y = panel.legend_beside ? kTop + 12 : kTop - 8;
  for (const Curve& curve : panel.curves) {
    out += draw_curve(frame, curve);
    out += curve.joined ? rectangle(x, y - 5, 14, 3, curve.colour) : draw_mark(x + 7, y - 4, curve);
    out += text_at(x + 18, y, "start", curve.name);
    (panel.legend_beside ? y : x) +=
        panel.legend_beside ? kLegendLine : 40 + text_width(curve.name);
  }
  return out;
}

}  // namespace

std::string draw_svg(const std::string& title, const std::vector<Panel>& panels) {
  double width = 0, height = kPanelHeight;
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
  double left = 0;
  double high = chart.axis.find('%') == std::string::npos ? 0 : 100;
  std::map<std::string, const char*> colours;
  double legend = 16;
  std::string out;
  for (const BarChart::Bar& bar : chart.bars) {
    left = std::max(left, 24 + text_width(bar.group));
    high = std::max(high, bar.value);
    const char* next = kBarColours[colours.size() % std::size(kBarColours)];
    if (!colours.emplace(bar.series, next).second) continue;
    out += rectangle(legend, 64, 12, 12, next) + text_at(legend + 17, 74.5, "start", bar.series);
    legend += 42 + text_width(bar.series);
  }
  const double width = kChartWidth - 60 - left;
  const double scale = width / std::max(high, 1e-300);
  std::string bars;
  double y = kBarsTop, top = kBarsTop;
  for (size_t i = 0; i < chart.bars.size(); ++i, y += kBar) {
    const auto& [group, series, value] = chart.bars[i];
    if (i > 0 && group != chart.bars[i - 1].group) top = y += kBarGap;
    bars += rectangle(left, y, scale * value, kBar - 2, colours.at(series));
    const int decimals = value < 1 ? 2 : (value < 10 ? 1 : 0);
    bars += text_at(left + scale * value + 5, y + kBar - 4, "start",
                    fmt::format("{:.{}f}", value, decimals));
    if (i + 1 < chart.bars.size() && group == chart.bars[i + 1].group) continue;
    bars += text_at(left - 10, (top + y + kBar) / 2 + 3, "end", group);
  }
  out += text_at(16, 28, "start", chart.title, "font-size='16' font-weight='bold'");
  out += text_at(16, 48, "start", chart.subtitle);
  for (const double tick : axis_ticks(0, high, 6)) {
    const double x = left + scale * tick;
    out += line_between(x, kBarsTop - 6, x, y + 6, tick == 0 ? "axis" : "grid");
    out += text_at(x, y + 22, "middle", fmt::format("{:.6g}", tick));
  }
  out += text_at(left + width / 2, y + 42, "middle", chart.axis);
  return document(chart.title, kChartWidth, y + kBottom, out + bars);
}

std::string xml_escaped(const std::string& text) {
  const std::string valid = utf8_of(text);
  std::string result;
  for (size_t i = 0; i < valid.size(); ++i) {
    const char c = valid[i];
    const std::string three = valid.substr(i, 3);
    if (three == "\xEF\xBF\xBE" || three == "\xEF\xBF\xBF") {
      result += "\xEF\xBF\xBD";  // U+FFFD
      i += 2;
    } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') {
      result += "\xEF\xBF\xBD";
    } else {
      result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
    }
  }
  return result;
}

std::vector<double> axis_ticks(double low, double high, int count) {
  const double raw = (high - low) / count;
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
