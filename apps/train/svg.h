#pragma once
// results.svg and its like: curves and points in one self-contained file that any browser shows.

#include <string>
#include <utility>
#include <vector>

namespace gmlp {

enum class Mark { kCircle, kSquare, kDiamond, kTriangle };

struct Curve {
  std::string name;
  std::string colour;                             // "#rrggbb"
  std::vector<std::pair<double, double>> points;  // x ascending; drawn are the finite ones
  bool joined = true;                             // by a line
  Mark mark = Mark::kCircle;                      // of curves of few points
  std::vector<double> errors = {};                // of y, up and down, a number a point; or empty
};

struct Panel {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Curve> curves;
  bool log_x = false;          // x > 0
  bool legend_beside = false;  // a column at the right, for many curves; else a line above
};

/// `text` as it may stand between two tags: markup escaped, and U+FFFD for what is not UTF-8 and
/// for characters that XML does not have (most control characters, U+FFFE and U+FFFF).
std::string xml_escaped(const std::string& text);

/// The panels side by side under one title, each with axes, ticks and a legend.
std::string draw_svg(const std::string& title, const std::vector<Panel>& panels);

/// About `wanted` round numbers (1, 2 or 5 times a power of ten apart) inside [low, high]. None
/// where the two are not finite, low < high and far enough apart to count between them.
std::vector<double> axis_ticks(double low, double high, int wanted);

/// Round numbers inside [low, high], 0 < low < high, for a logarithmic axis: powers of ten when
/// there are enough of them, else also numbers between. None for another range.
std::vector<double> log_axis_ticks(double low, double high);

}  // namespace gmlp
