#include "apps/training/svg.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace gmlp {

namespace {

// The layout in pixels.
constexpr double kPanelWidth = 460;
constexpr double kPanelHeight = 340;
constexpr double kLeft = 64;
constexpr double kRight = 16;
constexpr double kTop = 72;
constexpr double kBottom = 52;

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

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// Maps values to the panel's pixels.
struct Frame {
  double origin;  // the panel's left edge
  Range x;
  Range y;
  double px(double value) const {
    const double width = kPanelWidth - kLeft - kRight;
    return origin + kLeft + width * (value - x.low) / (x.high - x.low);
  }
  double py(double value) const {
    const double height = kPanelHeight - kTop - kBottom;
    return kPanelHeight - kBottom - height * (value - y.low) / (y.high - y.low);
  }
};

std::string text_at(double x, double y, const char* anchor, const std::string& text,
                    const char* more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                     anchor, more, escaped(text));
}

std::string line_between(double x1, double y1, double x2, double y2, const char* colour) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2,
      y2, colour);
}

std::string draw_axes(const Frame& frame, const Panel& panel) {
  const double left = frame.px(frame.x.low);
  const double right = frame.px(frame.x.high);
  const double top = frame.py(frame.y.high);
  const double bottom = frame.py(frame.y.low);
  std::string out;
  for (double tick : axis_ticks(frame.y.low, frame.y.high, 6)) {
    const double y = frame.py(tick);
    out += line_between(left, y, right, y, "#e4e4e4");
    out += text_at(left - 6, y + 4, "end", fmt::format("{:.4g}", tick));
  }
  for (double tick : axis_ticks(frame.x.low, frame.x.high, 6)) {
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

std::string draw_curve(const Frame& frame, const Curve& curve, double legend_x) {
  std::string points;
  for (const auto& [x, y] : curve.points) {
    points += fmt::format("{:.1f},{:.1f} ", frame.px(x), frame.py(y));
  }
  std::string out =
      fmt::format("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\" points=\"{}\"/>\n",
                  curve.colour, points);
  // A line of one point has no length; short curves show their points.
  if (curve.points.size() <= 30) {
    for (const auto& [x, y] : curve.points) {
      out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>\n",
                         frame.px(x), frame.py(y), curve.colour);
    }
  }
  const double legend_y = kTop - 8;
  out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"14\" height=\"3\" fill=\"{}\"/>\n",
                     legend_x, legend_y - 5, curve.colour);
  return out + text_at(legend_x + 18, legend_y, "start", curve.name);
}

std::string draw_panel(const Panel& panel, double origin) {
  Frame frame{origin, {}, {}};
  for (const Curve& curve : panel.curves) {
    for (const auto& [x, y] : curve.points) {
      frame.x.include(x);
      frame.y.include(y);
    }
  }
  frame.x = padded(frame.x, 0.0);
  frame.y = padded(frame.y, 0.05);
  std::string out = draw_axes(frame, panel);
  double legend_x = origin + kLeft + 8;
  for (const Curve& curve : panel.curves) {
    out += draw_curve(frame, curve, legend_x);
    legend_x += 40 + 7.0 * static_cast<double>(curve.name.size());
  }
  return out;
}

}  // namespace

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
  std::vector<double> ticks;
  const int64_t first = static_cast<int64_t>(std::ceil(low / step));
  const int64_t last = static_cast<int64_t>(std::floor(high / step));
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

std::string draw_svg(const std::string& title, const std::vector<Panel>& panels) {
  const double width = kPanelWidth * static_cast<double>(panels.size());
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\" "
      "fill=\"#222222\">\n"
      "<title>{2}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      width, kPanelHeight, escaped(title));
  out += text_at(width / 2, 24, "middle", title, " font-size=\"15\"");
  for (size_t i = 0; i < panels.size(); ++i) {
    out += draw_panel(panels[i], kPanelWidth * static_cast<double>(i));
  }
  return out + "</svg>\n";
}

}  // namespace gmlp
