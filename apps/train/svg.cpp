#include "apps/train/svg.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/io/json.h"

namespace gmlp {

namespace {

// The layout in pixels.
constexpr double kPanelWidth = 460;
constexpr double kPanelHeight = 340;
constexpr double kLeft = 64;
constexpr double kRight = 16;
constexpr double kTop = 72;
constexpr double kBottom = 52;
// With the legend beside the plot.
constexpr double kTallHeight = 440;
constexpr double kLegendWidth = 250;
constexpr double kLegendLine = 20;

constexpr size_t kFewPoints = 30;  // are marked, more are not

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

/// Room around the values; never of zero width.
Range padded(Range range, double share) {
  if (!(range.low <= range.high)) return {0, 1};
  double room = (range.high - range.low) * share;
  if (range.high == range.low) room = std::max(std::abs(range.high) * 0.1, 0.5);
  return {range.low - room, range.high + room};
}

/// Larger numbers would overflow in the axis around them.
bool drawable(double value) {
  constexpr double kLargest = 1e300;
  return std::abs(value) <= kLargest;  // false for NaN
}

/// The curve without the points that have no place in a picture: a run that diverged has some.
Curve drawable_part(const Curve& curve, bool log_x) {
  Curve part = curve;
  part.points.clear();
  part.errors.clear();
  for (size_t i = 0; i < curve.points.size(); ++i) {
    const auto& [x, y] = curve.points[i];
    const double error = curve.errors.empty() ? 0 : curve.errors[i];
    const bool placed = drawable(x) && (!log_x || x > 0);
    if (!placed || !drawable(y - error) || !drawable(y + error)) continue;
    part.points.push_back(curve.points[i]);
    if (!curve.errors.empty()) part.errors.push_back(error);
  }
  return part;
}

double panel_height(const Panel& panel) {
  return panel.legend_beside ? kTallHeight : kPanelHeight;
}

double panel_width(const Panel& panel) {
  return kPanelWidth + (panel.legend_beside ? kLegendWidth : 0);
}

/// Maps values to the panel's pixels.
struct Frame {
  double origin;  // the panel's left edge
  double panel_height;
  bool log_x;
  Range x;  // of log10 x on a logarithmic axis
  Range y;
  double left() const { return origin + kLeft; }
  double right() const { return origin + kPanelWidth - kRight; }
  double bottom() const { return panel_height - kBottom; }
  double placed(double value) const { return log_x ? std::log10(value) : value; }
  double px(double value) const {
    return left() + (right() - left()) * (placed(value) - x.low) / (x.high - x.low);
  }
  double py(double value) const {
    return bottom() - (bottom() - kTop) * (value - y.low) / (y.high - y.low);
  }
};

/// The ranges that show all of the panel's values.
Frame frame_around(const Panel& panel, double origin) {
  Frame frame{origin, panel_height(panel), panel.log_x, {}, {}};
  bool lone_points = false;  // need room at the sides, too
  for (const Curve& curve : panel.curves) {
    lone_points = lone_points || !curve.joined;
    for (size_t i = 0; i < curve.points.size(); ++i) {
      const auto& [x, y] = curve.points[i];
      const double error = curve.errors.empty() ? 0 : curve.errors[i];
      frame.x.include(frame.placed(x));
      frame.y.include(y - error);
      frame.y.include(y + error);
    }
  }
  frame.x = padded(frame.x, lone_points ? 0.05 : 0.0);
  frame.y = padded(frame.y, 0.05);
  return frame;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const char* more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, xml_escaped(text));
}

std::string line_between(double x1, double y1, double x2, double y2, const char* colour) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2,
      y2, colour);
}

std::vector<double> x_ticks(const Frame& frame) {
  if (!frame.log_x) return axis_ticks(frame.x.low, frame.x.high, 6);
  return log_axis_ticks(std::pow(10.0, frame.x.low), std::pow(10.0, frame.x.high));
}

std::string draw_axes(const Frame& frame, const Panel& panel) {
  const double left = frame.left();
  const double right = frame.right();
  const double top = kTop;
  const double bottom = frame.bottom();
  std::string out;
  for (double tick : axis_ticks(frame.y.low, frame.y.high, 6)) {
    const double y = frame.py(tick);
    out += line_between(left, y, right, y, "#e4e4e4");
    out += text_at(left - 6, y + 4, "end", fmt::format("{:.4g}", tick));
  }
  for (double tick : x_ticks(frame)) {
    const double x = frame.px(tick);
    out += line_between(x, bottom, x, bottom + 4, "#444444");
    out += text_at(x, bottom + 18, "middle", fmt::format("{:.6g}", tick));
  }
  out += line_between(left, bottom, right, bottom, "#444444");
  out += line_between(left, top, left, bottom, "#444444");
  out += text_at((left + right) / 2, bottom + 40, "middle", panel.x_label);
  const double middle = (top + bottom) / 2;
  const std::string turn =
      fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", frame.origin + 16, middle);
  out += text_at(frame.origin + 16, middle, "middle", panel.y_label, turn.c_str());
  out += text_at((left + right) / 2, top - 24, "middle", panel.title, " font-weight=\"bold\"");
  return out;
}

/// A mark that reaches `size` from (x, y).
std::string mark_at(double x, double y, double size, const Curve& curve) {
  const char* colour = curve.colour.c_str();
  if (curve.mark == Mark::kCircle) {
    return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\"/>\n", x, y,
                       size, colour);
  }
  const double half = 0.85 * size;  // a square's corners reach further
  std::vector<std::pair<double, double>> corners = {
      {-half, -half}, {half, -half}, {half, half}, {-half, half}};
  if (curve.mark == Mark::kDiamond) corners = {{0, -size}, {size, 0}, {0, size}, {-size, 0}};
  if (curve.mark == Mark::kTriangle) corners = {{0, -size}, {size, half}, {-size, half}};
  std::string points;
  for (const auto& [dx, dy] : corners) points += fmt::format("{:.1f},{:.1f} ", x + dx, y + dy);
  // Nearly hollow: marks of nearly the same place show through each other.
  return fmt::format(
      "<polygon fill=\"{0}\" fill-opacity=\"0.25\" stroke=\"{0}\" stroke-width=\"1.6\" "
      "points=\"{1}\"/>\n",
      colour, points);
}

double mark_size(const Curve& curve) {
  return curve.joined ? 2.5 : 5.5;
}

std::string draw_curve(const Frame& frame, const Curve& curve) {
  std::string points;
  for (const auto& [x, y] : curve.points) {
    points += fmt::format("{:.1f},{:.1f} ", frame.px(x), frame.py(y));
  }
  std::string out;
  if (curve.joined) {
    out =
        fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" points=\"{}\"/>\n",
                    curve.colour, points);
  }
  for (size_t i = 0; i < curve.errors.size(); ++i) {
    const double x = frame.px(curve.points[i].first);
    const double high = frame.py(curve.points[i].second + curve.errors[i]);
    const double low = frame.py(curve.points[i].second - curve.errors[i]);
    out += line_between(x, high, x, low, curve.colour.c_str());
    for (const double y : {high, low})
      out += line_between(x - 4, y, x + 4, y, curve.colour.c_str());
  }
  // A line of one point has no length; short curves show their points.
  if (curve.points.size() > kFewPoints) return out;
  for (const auto& [x, y] : curve.points) {
    out += mark_at(frame.px(x), frame.py(y), mark_size(curve), curve);
  }
  return out;
}

/// A curve's line and mark beside its name.
std::string draw_legend(const Curve& curve, double x, double y) {
  std::string out;
  if (curve.joined) {
    out = fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"14\" height=\"3\" fill=\"{}\"/>\n",
                      x, y - 5, curve.colour);
  } else {
    out = mark_at(x + 7, y - 4, mark_size(curve), curve);
  }
  return out + text_at(x + 18, y, "start", curve.name);
}

std::string draw_panel(const Panel& whole, double origin) {
  Panel panel = whole;
  for (Curve& curve : panel.curves) curve = drawable_part(curve, panel.log_x);
  const Frame frame = frame_around(panel, origin);
  std::string out = draw_axes(frame, panel);
  for (const Curve& curve : panel.curves) out += draw_curve(frame, curve);
  double x = panel.legend_beside ? frame.right() + 20 : frame.left() + 8;
  double y = panel.legend_beside ? kTop + 12 : kTop - 8;
  for (const Curve& curve : panel.curves) {
    out += draw_legend(curve, x, y);
    if (panel.legend_beside) {
      y += kLegendLine;
    } else {
      x += 40 + 7.0 * static_cast<double>(curve.name.size());
    }
  }
  return out;
}

/// The end of the character that begins at `begin`; `text` is UTF-8.
size_t next_character(const std::string& text, size_t begin) {
  size_t end = begin + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) ++end;
  return end;
}

bool in_xml(const std::string& character) {
  if (character == "\xEF\xBF\xBE" || character == "\xEF\xBF\xBF") return false;  // U+FFFE, U+FFFF
  const unsigned char first = static_cast<unsigned char>(character[0]);
  return first >= 0x20 || first == '\t' || first == '\n' || first == '\r';
}

}  // namespace

std::string xml_escaped(const std::string& text) {
  const std::string valid = utf8_of(text);
  std::string result;
  for (size_t begin = 0; begin < valid.size();) {
    const size_t end = next_character(valid, begin);
    const std::string character = valid.substr(begin, end - begin);
    begin = end;
    if (character == "&") {
      result += "&amp;";
    } else if (character == "<") {
      result += "&lt;";
    } else if (character == ">") {
      result += "&gt;";
    } else {
      result += in_xml(character) ? character : "\xEF\xBF\xBD";  // U+FFFD
    }
  }
  return result;
}

std::vector<double> axis_ticks(double low, double high, int wanted) {
  const double raw = (high - low) / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) {
      step = factor * power;
      break;
    }
  }
  // Beyond 2^53 steps from 0, doubles have no number for each of them.
  constexpr double kMostSteps = 9e15;
  const bool countable = low < high && std::isfinite(step) &&
                         std::max(std::abs(low), std::abs(high)) / step <= kMostSteps;
  if (!countable) return {};
  std::vector<double> ticks;
  const int64_t first = static_cast<int64_t>(std::ceil(low / step));
  const int64_t last = static_cast<int64_t>(std::floor(high / step));
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::vector<double> log_axis_ticks(double low, double high) {
  const std::vector<std::vector<double>> steps = {
      {1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 5, 7}, {1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9}};
  if (!(0 < low && low < high && std::isfinite(high))) return {};
  const int64_t first = static_cast<int64_t>(std::floor(std::log10(low)));
  const int64_t last = static_cast<int64_t>(std::floor(std::log10(high)));
  for (const std::vector<double>& factors : steps) {
    std::vector<double> ticks;
    for (int64_t power = first; power <= last; ++power) {
      for (const double factor : factors) {
        const double tick = factor * std::pow(10.0, static_cast<double>(power));
        if (low <= tick && tick <= high) ticks.push_back(tick);
      }
    }
    if (ticks.size() >= 4) return ticks;
  }
  return axis_ticks(low, high, 4);  // so narrow that it is nearly linear
}

std::string draw_svg(const std::string& title, const std::vector<Panel>& panels) {
  double width = 0;
  double height = kPanelHeight;
  for (const Panel& panel : panels) {
    width += panel_width(panel);
    height = std::max(height, panel_height(panel));
  }
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\" "
      "fill=\"#222222\">\n"
      "<title>{2}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      width, height, xml_escaped(title));
  out += text_at(width / 2, 24, "middle", title, " font-size=\"15\"");
  double origin = 0;
  for (const Panel& panel : panels) {
    out += draw_panel(panel, origin);
    origin += panel_width(panel);
  }
  return out + "</svg>\n";
}

}  // namespace gmlp
