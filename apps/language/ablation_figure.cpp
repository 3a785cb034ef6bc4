// Figure 5 of the paper for one's own runs: perplexity over parameters, a line for each
// architecture of the series by depth, and Table 3's models as points with their spread.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "apps/language/ablation_report.h"
#include "apps/train/svg.h"

namespace gmlp {

namespace {

struct Look {
  const char* name;  // of a row of Table 3, or the title of a line
  const char* colour;
  Mark mark;
};

// A colour for a family and a mark for a member, so that the picture also reads without colours.
constexpr Look kLooks[] = {
    {"gMLP", "#1f77b4", Mark::kCircle},           {"Transformer", "#d62728", Mark::kCircle},
    {"transformer", "#d62728", Mark::kSquare},    {"transformer-relpos", "#d62728", Mark::kDiamond},
    {"relpos-only", "#e377c2", Mark::kTriangle},  {"mixer", "#7f7f7f", Mark::kSquare},
    {"linear", "#8c564b", Mark::kTriangle},       {"additive", "#ff7f0e", Mark::kDiamond},
    {"multiplicative", "#2ca02c", Mark::kSquare}, {"split", "#1f77b4", Mark::kDiamond},
    {"amlp", "#9467bd", Mark::kTriangle},
};

Curve styled(const std::string& name, const std::string& title) {
  Curve curve{title, "#444444", {}};
  for (const Look& look : kLooks) {
    if (name != look.name) continue;
    curve.colour = look.colour;
    curve.mark = look.mark;
  }
  return curve;
}

double millions(const AblationResult& result) {
  return static_cast<double>(result.runs.front().parameters) / 1e6;
}

/// The series by depth, a line for each title.
std::vector<Curve> depth_lines(const std::vector<AblationResult>& depths) {
  std::vector<Curve> lines;
  std::string open;  // whose line is the last one
  for (const AblationResult& result : depths) {
    const double perplexity = perplexity_of(result).mean;
    if (!std::isfinite(perplexity)) continue;
    const std::string title = result.row->title;
    if (lines.empty() || title != open) {
      lines.push_back(styled(title, title + ", by depth"));
      open = title;
    }
    lines.back().points.emplace_back(millions(result), perplexity);
  }
  for (Curve& line : lines) std::sort(line.points.begin(), line.points.end());
  return lines;
}

/// Says what lines, points and bars are; as far as they are there.
std::string caption(const AblationResults& results) {
  std::string text;
  if (!results.table3.empty()) {
    const size_t seeds = results.table3.front().runs.size();
    text = seeds > 1 ? fmt::format("points: mean ± deviation of {} seeds", seeds)
                     : std::string("points: one seed");
  }
  if (!results.depths.empty()) {
    text += std::string(text.empty() ? "" : "; ") + "lines: one seed, by depth";
  }
  return text;
}

}  // namespace

std::string ablation_svg(const AblationResults& results) {
  Panel panel{caption(results), "parameters (millions)", "validation perplexity",
              depth_lines(results.depths)};
  panel.log_x = true;
  panel.legend_beside = true;
  for (const AblationResult& result : results.table3) {
    const MeanDeviation perplexity = perplexity_of(result);
    if (!std::isfinite(perplexity.mean)) continue;
    Curve point = styled(result.row->name, result.row->title);
    point.joined = false;
    point.points.emplace_back(millions(result), perplexity.mean);
    if (std::isfinite(perplexity.deviation)) point.errors.push_back(perplexity.deviation);
    panel.curves.push_back(point);
  }
  if (panel.curves.empty()) return "";
  return draw_svg("Perplexity by parameters", {panel});
}

}  // namespace gmlp
