// What a run says of itself besides its steps: the machine, and at the end the summary, where
// everything lies and the next command.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/train/training_run.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/peak.h"

namespace gmlp {

void TrainingRun::measure_peak() {
  constexpr double kSeconds = 0.1;
  // The highest so far: what else the machine does can only lower it.
  peak_gflops_ =
      std::max(peak_gflops_, machine_peak_gflops(thread_count(), kSeconds, execution.precision));
  ++peaks_measured_;
  peak_measured_at_ = std::chrono::steady_clock::now();
}

void TrainingRun::measure_peak_if_due() {
  // A measurement takes as long as many a tiny epoch: it may cost a three-hundredth, not more.
  constexpr std::chrono::seconds kBetween(30);
  if (std::chrono::steady_clock::now() - peak_measured_at_ >= kBetween) measure_peak();
}

double TrainingRun::share_of_peak(double samples_per_s) const {
  if (!(peak_gflops_ > 0)) return -1;
  // The backward pass computes two products for each one of the forward pass.
  return 3 * identity.forward_flops * samples_per_s / (1e9 * peak_gflops_);
}

std::string TrainingRun::machine_line() const {
  return fmt::format("machine  {} threads, {}, {} with {} kernels, peak {:.0f} GFLOP/s",
                     thread_count(), isa_name(), common_options().precision,
                     execution.backend == Backend::kFused ? "fused" : "reference", peak_gflops_);
}

void TrainingRun::write_summary() {
  nlohmann::ordered_json json;
  json["model"] = identity.model;
  json["data"] = identity.data;
  json["parameters"] = identity.parameters;
  json["steps"] = progress.step;
  json["total_steps"] = total_steps;
  json["skipped_steps"] = nan_policy.skipped();
  if (progress.has_best()) {
    json["best"] = best_summary();
    json["best"]["epoch"] = progress.best_epoch;
    json["best"]["step"] = progress.best_step;
  }
  if (validated_) json["final"] = final_summary();
  json["wall_seconds"] = elapsed();
  json["peak_memory_bytes"] = {{"activations", arena.peak_bytes()},
                               {"process", peak_resident_bytes()}};
  json["machine_peak_gflops"] = peak_gflops_;
  json["share_of_machine_peak"] =
      steps_here_ > 0 ? share_of_peak(speed_sum_ / static_cast<double>(steps_here_)) : 0.0;
  write_file_atomic(folder->file("summary.json"), json_text(json));
}

void TrainingRun::print_summary() {
  if (progress.has_best()) {
    console->line(fmt::format("best     {} (epoch {}), after {}", best_text(), progress.best_epoch,
                              duration_text(elapsed())));
  }
  console->line(fmt::format("memory   {} MB of activations, {} MB in all", arena.peak_bytes() >> 20,
                            peak_resident_bytes() >> 20));
  const std::string best = progress.has_best() ? store->best() : store->last();
  console->line(fmt::format("run      {} (summary.json, metrics.csv{})", folder->path(),
                            common_options().no_figures ? "" : ", " + identity.figures));
  console->line(fmt::format("weights  {}", best));
  console->line("next     " + next_command(best));
}

}  // namespace gmlp
