#pragma once
// Bars from 0 to 100 per cent, in groups, as one self-contained SVG.

#include <string>
#include <vector>

namespace gmlp {

struct Bar {
  std::string by;
  std::string colour;  // "#rrggbb"
  double percent;
};

struct BarGroup {
  std::string title;
  std::vector<Bar> bars;
};

std::string draw_bar_chart(const std::string& title, const std::string& subtitle,
                           const std::vector<BarGroup>& groups);

}  // namespace gmlp
