// What a run says of itself: the banner, the samples, and at the end summary, figures and the next
// command.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/training/filters.h"
#include "apps/training/main_guard.h"
#include "apps/training/metrics.h"
#include "apps/training/signals.h"
#include "apps/training/svg.h"
#include "apps/training/thumbnails.h"
#include "apps/vision/run.h"
#include "core/file.h"
#include "core/parallel.h"
#include "kernels/dispatch.h"

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
  if (shares.size() < 2 || shares[1].first - floor < 0.02) return names[shares[0].second];
  return fmt::format("{:.0f}% {} {:.0f}% {}", 100 * shares[0].first, names[shares[0].second],
                     100 * shares[1].first, names[shares[1].second]);
}

}  // namespace

double VisionRun::share_of_peak(double samples_per_s) const {
  if (!(peak_gflops_ > 0)) return -1;
  // The backward pass computes two products for each one of the forward pass.
  return 3 * config.forward_flops() * samples_per_s / (1e9 * peak_gflops_);
}

void VisionRun::announce() {
  console->line(fmt::format("gmlp-vision {}: {} on {}", GMLP_VERSION, config.name, data.name));
  console->line(fmt::format(
      "model    {} parameters, {} blocks, {} tokens, d_model {}, d_ffn {}, {:.3g} GFLOPs an image",
      grouped(config.parameter_count()), config.depth, config.tokens(), config.d_model,
      config.d_ffn, config.forward_flops() / 1e9));
  console->line(
      fmt::format("data     {} training and {} validation images, {} classes, {}x{}x{} input",
                  grouped(data.train->size()), grouped(data.val->size()), config.classes,
                  config.chans, config.img_height, config.img_width));
  console->line(fmt::format("machine  {} threads, {}, {} with {} kernels, peak {:.0f} GFLOP/s",
                            thread_count(), isa_name(), options.precision,
                            compute.family == Family::kFused ? "fused" : "reference",
                            peak_gflops_));
  console->line(fmt::format("run      {} steps, {} an epoch of {} images; in {}",
                            grouped(total_steps), grouped(steps_per_epoch),
                            options.batch_size * options.grad_accum_steps * steps_per_epoch,
                            folder->path()));
  for (const std::string& line : notes_) console->line("note     " + line);
  show_samples();
  const auto now = std::chrono::steady_clock::now();
  started_ = step_began_ = epoch_began_ = now;
}

void VisionRun::show_samples() {
  if (console->quiet() || progress.step >= total_steps) return;
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

int VisionRun::finish() {
  const int signal = stop_signal();
  if (signal != 0) {
    save_last();
    console->line(fmt::format("stopped by signal {} at step {}; saved. Continue with", signal,
                              progress.step));
    console->line(fmt::format("  gmlp-vision train --resume {}", folder->path()));
    return 128 + signal;
  }
  if (progress.step < total_steps) {
    console->line(fmt::format("time limit reached at step {} of {}", progress.step, total_steps));
    validate_unfinished_epoch();
    if (stop_signal() != 0) return 128 + stop_signal();
  }
  write_summary();
  if (!options.no_figures) draw_figures();
  say_goodbye();
  return kExitSuccess;
}

void VisionRun::write_summary() {
  nlohmann::ordered_json json;
  json["model"] = config.name;
  json["data"] = data.name;
  json["parameters"] = config.parameter_count();
  json["steps"] = progress.step;
  json["total_steps"] = total_steps;
  json["skipped_steps"] = nan_policy.skipped();
  if (progress.best_top1 >= 0) {
    json["best"] = {{"val_top1", progress.best_top1},
                    {"val_top1_standard_error",
                     100 * standard_error(progress.best_top1 / 100, data.val->size())},
                    {"val_loss", progress.best_loss},
                    {"epoch", progress.best_epoch},
                    {"step", progress.best_step}};
  }
  if (last_evaluation_.complete) {
    json["final"] = {{"val_top1", last_evaluation_.top1}, {"val_loss", last_evaluation_.loss}};
    if (config.classes > 5) json["final"]["val_top5"] = last_evaluation_.top5;
  }
  json["wall_seconds"] = elapsed();
  json["peak_memory_bytes"] = {{"activations", arena.peak_bytes()},
                               {"process", peak_resident_bytes()}};
  json["machine_peak_gflops"] = peak_gflops_;
  json["share_of_machine_peak"] =
      share_count_ > 0 ? share_sum_ / static_cast<double>(share_count_) : 0.0;
  write_file_atomic(folder->file("summary.json"), json.dump(2) + "\n");
}

void VisionRun::draw_figures() {
  Curve train{"train", "#1f77b4", {}};
  Curve val{"validation", "#d62728", {}};
  Curve top1{"validation", "#d62728", {}};
  for (const EpochRecord& row : read_metrics(folder->file("metrics.csv"))) {
    const double epoch = static_cast<double>(row.epoch);
    if (std::isfinite(row.train_loss)) train.points.emplace_back(epoch, row.train_loss);
    if (!row.validated) continue;
    if (std::isfinite(row.val_loss)) val.points.emplace_back(epoch, row.val_loss);
    top1.points.emplace_back(epoch, row.val_top1);
  }
  const std::string svg = draw_svg(fmt::format("{} on {}", config.name, data.name),
                                   {{"Loss", "epoch", "cross-entropy", {train, val}},
                                    {"Accuracy", "epoch", "top-1 (%)", {top1}}});
  write_file_atomic(folder->file("results.svg"), svg);

  const EmaScope averaged(ema.get());
  std::vector<SpatialFilter> filters;
  for (const Parameter* parameter : parameters()) {
    if (parameter->name.ends_with("gate.proj.weight")) filters.push_back({parameter->value});
  }
  const Picture picture = draw_filters(filters, config.img_height / config.patch,
                                       config.img_width / config.patch, config.class_token ? 1 : 0);
  write_file_atomic(folder->file("filters.png"), to_png(picture));
}

void VisionRun::say_goodbye() {
  if (progress.best_top1 >= 0) {
    const double error = 100 * standard_error(progress.best_top1 / 100, data.val->size());
    console->line(fmt::format("best     top-1 {:.2f} ± {:.2f} % (epoch {}), after {}",
                              progress.best_top1, error, progress.best_epoch,
                              duration_text(elapsed())));
  }
  console->line(fmt::format("memory   {} MB of activations, {} MB in all", arena.peak_bytes() >> 20,
                            peak_resident_bytes() >> 20));
  const std::string best = progress.best_top1 >= 0 ? store->best() : store->last();
  console->line(fmt::format("run      {} (summary.json, metrics.csv{})", folder->path(),
                            options.no_figures ? "" : ", results.svg, filters.png"));
  console->line(fmt::format("weights  {}", best));
  console->line("next     " + fmt::format("gmlp-vision predict --model {} IMAGE", best));
}

}  // namespace gmlp
