// A run's pictures: its curves, and what the spatial projections have learned.

#include <cmath>

#include "apps/language/run.h"
#include "apps/train/filters.h"
#include "apps/train/svg.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr int64_t kLayersPlotted = 4;
constexpr int64_t kPointsDrawn = 100;

/// The middle token's row of W by the distance to the token it reads, a plot a layer (Figure 4).
std::string draw_middle_rows(const std::string& title, const std::vector<Tensor>& weights) {
  std::vector<Panel> panels;
  const int64_t layers = static_cast<int64_t>(weights.size());
  for (const int64_t layer : spread_indices(layers, kLayersPlotted)) {
    const Tensor& w = weights[static_cast<size_t>(layer)];
    const int64_t n = w.shape()[0];
    const int64_t middle = n / 2;
    Curve curve{fmt::format("token {}", middle), "#1f77b4", {}};
    for (int64_t j = 0; j < n; ++j) {
      curve.points.emplace_back(static_cast<double>(j - middle), w.at(middle * n + j));
    }
    panels.push_back({fmt::format("Block {}", layer), "distance", "weight", {curve}});
  }
  return draw_svg(title, panels);
}

}  // namespace

std::vector<Tensor> spatial_weights(const std::vector<Parameter*>& parameters,
                                    const BlockConfig& block) {
  const int64_t n = block.tokens;
  std::vector<Tensor> weights;
  for (const Parameter* parameter : parameters) {
    if (!parameter->name.ends_with("gate.proj.weight")) continue;
    const Tensor whole = Tensor::zeros(DType::kF64, {n, n});
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < (block.causal ? i + 1 : n); ++j) {
        const int64_t place = block.toeplitz ? (n - 1) + (j - i) : i * n + j;
        whole.data<double>()[i * n + j] = parameter->value.at(place);
      }
    }
    weights.push_back(whole);
  }
  return weights;
}

std::string draw_text_curves(const std::string& title, const std::string& metrics_path,
                             const std::string& steps_path) {
  // An epoch of a large text is long: the training loss is drawn by steps.
  const Curve train{"train", "#1f77b4", read_step_losses(steps_path, kPointsDrawn)};
  Curve val{"validation", "#d62728", {}};
  Curve perplexity{"validation", "#d62728", {}};
  for (const EpochRecord& row : read_metrics(metrics_path)) {
    const double step = static_cast<double>(row.step);
    if (!row.validated || !std::isfinite(row.val_loss)) continue;
    val.points.emplace_back(step, row.val_loss);
    perplexity.points.emplace_back(step, std::exp(row.val_loss));
  }
  return draw_svg(title, {{"Loss", "step", "nats a token", {train, val}},
                          {"Perplexity", "step", "exp(loss)", {perplexity}}});
}

void LanguageRun::draw_figures() {
  const std::string title = fmt::format("{} on {}", config.name, data.name);
  write_file_atomic(
      folder->file("results.svg"),
      draw_text_curves(title, folder->file("metrics.csv"), folder->file("steps.jsonl")));
  const std::vector<Tensor> weights = spatial_weights(parameters(), config.block);
  if (weights.empty()) return;
  std::vector<SpatialFilter> filters;
  filters.reserve(weights.size());
  for (const Tensor& weight : weights) filters.push_back({weight});
  write_file_atomic(folder->file("filters.png"), to_png(draw_heat_maps(filters)));
  write_file_atomic(folder->file("filters.svg"),
                    draw_middle_rows("W: the middle token's row", weights));
}

}  // namespace gmlp
