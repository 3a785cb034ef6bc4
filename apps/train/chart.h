#pragma once
// Charts as self-contained SVG files: panels of curves and points, and grouped bars. Background and
// text follow the reader's color scheme.

#include <string>
#include <utility>
#include <vector>

namespace gmlp {

enum class Mark { kCircle, kSquare, kDiamond, kTriangle };

struct Curve {
  std::string name;
  std::string colour;                             // "#rrggbb"
  std::vector<std::pair<double, double>> points;  // x ascending; only finite points are drawn
  bool joined = true;                             // by a line
  Mark mark = Mark::kCircle;                      // drawn only on curves of few points
  std::vector<double> errors = {};                // half the length of each point's bar, or empty
};

struct Panel {
  std::string title, x_label, y_label;
  std::vector<Curve> curves;
  bool log_x = false;          // skips points with x <= 0
  bool legend_beside = false;  // a column on the right for many curves, else a line above
};

struct BarChart {
  struct Bar {
    std::string group, series;
    double value;  // finite, from 0 up
  };
  std::string title, subtitle;
  std::string axis;       // what the bars measure; an axis in percent ("%") reaches to 100
  std::vector<Bar> bars;  // each group's are neighbors; they also set the order of the series
};

/// The panels side by side under one title, each with axes, ticks and a legend.
std::string draw_svg(const std::string& title, const std::vector<Panel>& panels);

/// Horizontal bars from zero, one below the other, with their values.
std::string draw_bars(const BarChart& chart);

/// Escapes markup for XML text. Invalid UTF-8 and characters that XML forbids (most control
/// characters, U+FFFE and U+FFFF) become U+FFFD.
std::string xml_escaped(const std::string& text);

/// About `count` round numbers (multiples of 1, 2 or 5 times a power of ten) in [low, high]. None
/// unless both are finite, low < high, and doubles can count the steps.
std::vector<double> axis_ticks(double low, double high, int count);

/// Round numbers in [low, high] for a logarithmic axis: powers of ten, and numbers between them if
/// the powers are few. None unless 0 < low < high < infinity.
std::vector<double> log_axis_ticks(double low, double high);

}  // namespace gmlp
