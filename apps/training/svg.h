#pragma once
// results.svg: curves of a run, in one self-contained file that any browser shows.

#include <string>
#include <utility>
#include <vector>

namespace gmlp {

struct Curve {
  std::string name;
  std::string colour;                             // "#rrggbb"
  std::vector<std::pair<double, double>> points;  // finite, x ascending
};

struct Panel {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Curve> curves;
};

/// The panels side by side under one title, each with axes, ticks and a legend.
std::string draw_svg(const std::string& title, const std::vector<Panel>& panels);

/// About `wanted` round numbers (1, 2 or 5 times a power of ten apart) inside [low, high], low <
/// high.
std::vector<double> axis_ticks(double low, double high, int wanted);

}  // namespace gmlp
