// The pictures of a language run: its curves and its spatial weights.

#include <cmath>

#include "apps/language/run.h"
#include "apps/train/filters.h"
#include "apps/train/chart.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr int64_t kMaxLayers = 4;
constexpr int64_t kMaxPoints = 100;
constexpr const char* kBlue = "#1f77b4";
constexpr const char* kRed = "#d62728";

/// The middle row of W by distance, one panel per layer (the paper's Figure 4).
std::string draw_middle_rows(const std::vector<Tensor>& weights) {
  std::vector<Panel> panels;
  const int64_t layers = static_cast<int64_t>(weights.size());
  for (const int64_t layer : spread_indices(layers, kMaxLayers)) {
    const Tensor& w = weights[static_cast<size_t>(layer)];
    const int64_t n = w.shape()[0];
    const int64_t middle = n / 2;
    Curve curve{fmt::format("token {}", middle), kBlue, {}};
    for (int64_t j = 0; j < n; ++j) {
      curve.points.emplace_back(static_cast<double>(j - middle), w.at(middle * n + j));
    }
    panels.push_back({fmt::format("Block {}", layer), "distance", "weight", {curve}});
  }
  return draw_svg("W: the middle token's row", panels);
}

/// The training loss by steps, because an epoch of text is long, and the validation by epochs.
std::string draw_curves(const std::string& title, const RunFolder& folder) {
  const Curve train{"train", kBlue, read_step_losses(folder.file("steps.jsonl"), kMaxPoints)};
  Curve loss{"validation", kRed, {}};
  Curve perplexity{"validation", kRed, {}};
  for (const EpochRecord& row : read_metrics(folder.file("metrics.csv"))) {
    if (!row.validated || !std::isfinite(row.val_loss)) continue;
    const double step = static_cast<double>(row.step);
    loss.points.emplace_back(step, row.val_loss);
    perplexity.points.emplace_back(step, std::exp(row.val_loss));
  }
  return draw_svg(title, {{"Loss", "step", "nats per token", {train, loss}},
                          {"Perplexity", "step", "exp(loss)", {perplexity}}});
}

/// W (N, N) of each gMLP block, with Toeplitz weights expanded and future tokens zero in a causal
/// model. Empty for the baselines.
std::vector<Tensor> spatial_weights(const std::vector<Parameter*>& parameters,
                                    const BlockConfig& block) {
  const int64_t n = block.tokens;
  std::vector<Tensor> weights;
  for (const Parameter* parameter : parameters) {
    if (!parameter->name.ends_with("gate.proj.weight")) continue;
    const Tensor full = Tensor::zeros(DType::kF64, {n, n});
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < (block.causal ? i + 1 : n); ++j) {
        const int64_t at = block.toeplitz ? (n - 1) + (j - i) : i * n + j;
        full.data<double>()[i * n + j] = parameter->value.at(at);
      }
    }
    weights.push_back(full);
  }
  return weights;
}

}  // namespace

void LanguageRun::draw_figures() {
  const std::string title = fmt::format("{} on {}", config.name, data.name);
  write_file_atomic(folder->file("results.svg"), draw_curves(title, *folder));
  const std::vector<Tensor> weights = spatial_weights(parameters(), config.block);
  if (weights.empty()) return;
  std::vector<SpatialFilter> filters;
  for (const Tensor& weight : weights) filters.push_back({weight});
  write_file_atomic(folder->file("filters.png"), to_png(draw_heat_maps(filters)));
  write_file_atomic(folder->file("filters.svg"), draw_middle_rows(weights));
}

}  // namespace gmlp
