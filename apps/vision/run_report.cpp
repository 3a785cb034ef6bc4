// What a vision run says of itself: the banner, the samples, scores, and at the end the figures.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/train/curves.h"
#include "apps/train/filters.h"
#include "apps/train/metrics.h"
#include "apps/train/thumbnails.h"
#include "apps/vision/run.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr int64_t kSamplesShown = 3;

/// "boot", or of a mixed sample "70% boot 30% bag".
std::string target_text(const Tensor& targets, int64_t row, const std::vector<std::string>& names) {
  std::vector<std::pair<double, size_t>> shares;
  const int64_t classes = targets.shape().cols();
  for (int64_t c = 0; c < classes; ++c) {
    shares.emplace_back(targets.at(row * classes + c), static_cast<size_t>(c));
  }
  std::stable_sort(shares.begin(), shares.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  // Smoothing gives every class the same little; what exceeds it was mixed in.
  const double floor = shares.back().first;
  if (shares.size() < 2 || shares[1].first - floor < 0.02)
    return printable(names[shares[0].second]);
  return fmt::format("{:.0f}% {} {:.0f}% {}", 100 * shares[0].first,
                     printable(names[shares[0].second]), 100 * shares[1].first,
                     printable(names[shares[1].second]));
}

}  // namespace

std::vector<std::string> VisionRun::banner() const {
  return {fmt::format("model    {} parameters, {} blocks, {} tokens, d_model {}, d_ffn {}, {:.3g} "
                      "GFLOPs an image",
                      grouped(config.parameter_count()), config.depth, config.tokens(),
                      config.d_model, config.d_ffn, config.forward_flops() / 1e9),
          fmt::format("data     {} training and {} validation images, {} classes, {}x{}x{} input",
                      grouped(data.train->size()), grouped(data.val->size()), config.classes,
                      config.chans, config.img_height, config.img_width)};
}

void VisionRun::show_samples() {
  // The very first batch that will be trained on, then back to its place.
  const Batch batch = loader->next();
  loader->seek(batch.epoch, batch.index);
  std::vector<Thumbnail> pictures;
  for (int64_t i = 0; i < std::min(kSamplesShown, batch.images.shape()[0]); ++i) {
    const Tensor image =
        batch.images.rows(i, i + 1).reshaped({config.chans, config.img_height, config.img_width});
    pictures.push_back({image, target_text(batch.targets, i, data.train->class_names())});
  }
  console->screen_only(draw_thumbnails(pictures, console->colours()));
}

std::string VisionRun::score_text(const EvalResult& score) const {
  const double error = 100 * standard_error(score.metric / 100, score.samples);
  return fmt::format("val loss {:.4f}, top-1 {:.2f} ± {:.2f} %", score.loss, score.metric, error);
}

std::string VisionRun::best_text() const {
  const double error = 100 * standard_error(progress.best_metric / 100, data.val->size());
  return fmt::format("top-1 {:.2f} ± {:.2f} %", progress.best_metric, error);
}

nlohmann::ordered_json VisionRun::best_summary() const {
  return {{"val_top1", progress.best_metric},
          {"val_top1_standard_error",
           100 * standard_error(progress.best_metric / 100, data.val->size())},
          {"val_loss", progress.best_loss}};
}

nlohmann::ordered_json VisionRun::final_summary() const {
  nlohmann::ordered_json json = {{"val_top1", last_evaluation_.metric},
                                 {"val_loss", last_evaluation_.loss}};
  if (config.classes > 5) json["val_top5"] = last_evaluation_.top5;
  return json;
}

void VisionRun::draw_figures() {
  const std::string title = fmt::format("{} on {}", config.name, data.name);
  write_file_atomic(folder->file("results.svg"),
                    draw_epoch_curves(title, folder->file("metrics.csv"), "Top-1 accuracy"));

  std::vector<SpatialFilter> filters;
  for (const Parameter* parameter : parameters()) {
    if (parameter->name.ends_with("gate.proj.weight")) filters.push_back({parameter->value});
  }
  const Picture picture = draw_filters(filters, config.img_height / config.patch,
                                       config.img_width / config.patch, config.class_token ? 1 : 0);
  write_file_atomic(folder->file("filters.png"), to_png(picture));
}

std::string VisionRun::next_command(const std::string& checkpoint) const {
  return fmt::format("gmlp-vision predict --model {} IMAGE", checkpoint);
}

}  // namespace gmlp
