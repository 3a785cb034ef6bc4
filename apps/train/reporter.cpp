#include "apps/train/reporter.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/ranks/ranks.h"
#include "apps/report/report.h"
#include "apps/train/trainer.h"
#include "core/io/file.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

std::string step_line(const StepRecord& record) {
  // JSON has no NaN and no infinity.
  const auto number = [](double value, int digits) {
    return std::isfinite(value) ? fmt::format("{:.{}g}", value, digits) : "null";
  };
  return fmt::format(
      "{{\"step\":{},\"epoch\":{},\"loss\":{},\"lr\":{},\"grad_norm\":{},\"samples_per_s\":{},"
      "\"data_wait\":{}{}{}}}",
      record.step, record.epoch, number(record.loss, 9), number(record.lr, 9),
      number(record.grad_norm, 9), number(record.samples_per_s, 4), number(record.data_wait, 3),
      record.rank_wait > 0 ? fmt::format(",\"rank_wait\":{:.3g}", record.rank_wait) : "",
      record.skipped ? ",\"skipped\":true" : "");
}

}  // namespace

Reporter::Reporter(const Trainer& trainer, RunFolder& folder)
    : trainer_(trainer),
      options_(trainer.options),
      task_(trainer.task),
      folder_(folder),
      bar_(!options_.quiet),
      events_(options_.tensorboard ? folder.file("tensorboard") : "") {
  write_file_atomic(folder_.file("environment.json"), environment_json());
  if (std::filesystem::is_empty(folder_.file("metrics.csv"))) {
    folder_.append("metrics.csv", "epoch,step,train_loss,val_loss," + task_.info.metric +
                                      ",lr,samples_per_s,seconds");
  }
  measure_peak();
}

void Reporter::line(const std::string& text) {
  for (std::string part : lines_of(text)) {
    part = printable(part, std::string::npos);  // it may have names of files and classes
    print(part + "\n");
    folder_.append("log.txt", part);
  }
}

void Reporter::print(const std::string& text) {
  if (options_.quiet) return;
  bar_.erase();
  print_or_stop(text);
}

void Reporter::banner() {
  const TaskInfo& info = task_.info;
  const std::string program = info.command.substr(0, info.command.find(' '));
  line(fmt::format("{} {}: {} on {}", program, GMLP_VERSION, info.model, info.data));
  for (const std::string& text : info.banner) line(text);
  line(fmt::format("machine  {}{} thread{}, {}, {} with {} kernels, peak {:.0f} GFLOP/s",
                   rank_count() > 1 ? fmt::format("{} ranks of ", rank_count()) : "",
                   thread_count(), thread_count() == 1 ? "" : "s", isa_name(), options_.precision,
                   task_.setup.execution.backend == Backend::kFused ? "fused" : "reference",
                   peak_gflops_));
  if (fused::amx_state() == fused::Amx::kRefused) {
    line("note     the system does not let this process use the processor's matrix units (AMX)");
  }
  if (rank_count() > 1) {
    line(fmt::format("ranks    {}; {} shards per batch", describe_ranks(), options_.shards));
  }
  const RunLength& length = trainer_.length;
  line(fmt::format("run      {} steps, {} per epoch of {} {}; in {}", grouped(length.total_steps),
                   grouped(length.steps_per_epoch),
                   options_.step_samples() * length.steps_per_epoch, info.samples, folder_.path()));
  for (const std::string& note : info.notes) line("note     " + note);
  if (!info.loss_with.empty()) {
    line(fmt::format("note     loss* is cross-entropy{}; val loss is cross-entropy",
                     info.loss_with));
  }
}

void Reporter::measure_peak() {
  constexpr double kSeconds = 0.1;
  // The highest so far: other processes can only lower it. The other ranks' machines are as fast.
  const double peak = peak_gflops(options_.precision, kSeconds);
  peak_gflops_ = std::max(peak_gflops_, peak * static_cast<double>(rank_count()));
}

/// Above 1, other processes were running when the peak was measured: it is measured anew. NaN if
/// that does not help.
double Reporter::share_of_peak(double samples_per_s) {
  // The backward pass computes two products per product of the forward pass.
  const double gflops = 3e-9 * task_.info.forward_flops * samples_per_s;
  if (gflops > peak_gflops_) measure_peak();
  return gflops <= peak_gflops_ ? gflops / peak_gflops_ : NAN;
}

std::vector<std::string> Reporter::progress_fields(const StepRecord& record,
                                                   const std::string& left) {
  const double units = record.samples_per_s * static_cast<double>(task_.info.units_per_sample);
  const double share = share_of_peak(record.samples_per_s);
  std::vector<std::string> fields = {
      fmt::format("{}/{}", record.step, trainer_.length.total_steps),
      fmt::format("{} {:.4f} (smoothed {:.4f})", loss_name(), record.loss, average_loss_), left,
      fmt::format("{:.0f} {}/s", units, task_.info.unit)};
  if (!std::isnan(share)) fields.push_back(fmt::format("{:.0f}% of peak", 100 * share));
  fields.push_back(fmt::format("epoch {}/{}", record.epoch, trainer_.length.epochs));
  fields.push_back(fmt::format("lr {:.2e}", record.lr));
  fields.push_back(fmt::format("wait {:.0f} ms", 1e3 * record.data_wait));
  if (rank_count() > 1) {
    fields.back() += fmt::format(" for data, {:.0f} ms for ranks", 1e3 * record.rank_wait);
  }
  return fields;
}

/// 0 if there were no steps.
double Reporter::samples_per_s(const Steps& steps) const {
  if (steps.count == 0) return 0;
  return steps.count * static_cast<double>(options_.step_samples()) / steps.seconds;
}

void Reporter::step(StepRecord record) {
  constexpr double kAverageDecay = 0.98;
  for (Steps* steps : {&interval_, &epoch_, &all_}) {
    steps->count += 1;
    steps->seconds += record.seconds;
    steps->data_wait += record.data_wait;
    steps->rank_wait += record.rank_wait;
  }
  record.samples_per_s = samples_per_s(interval_);
  record.data_wait = interval_.data_wait / interval_.count;
  record.rank_wait = interval_.rank_wait / interval_.count;
  if (std::isfinite(record.loss)) {
    // A plain mean at first, exponential later, as Adam's bias-corrected moments.
    const double keep = std::min(kAverageDecay, 1.0 - 1.0 / static_cast<double>(++averaged_));
    average_loss_ = keep * average_loss_ + (1 - keep) * record.loss;
  }
  const bool logged =
      record.step % options_.log_interval == 0 || record.step == trainer_.length.total_steps;
  if (logged || record.skipped) folder_.append("steps.jsonl", step_line(record));
  if (logged) {
    events_.add_scalars(record.step, {{"train/loss", record.loss},
                                      {"lr", record.lr},
                                      {"grad_norm", record.grad_norm},
                                      {"samples_per_s", record.samples_per_s}});
  }
  if (record.skipped) {
    line(fmt::format("step {}: loss {}, gradient norm {}: not finite, step skipped", record.step,
                     record.loss, record.grad_norm));
  }
  const std::string left = bar_.time_left(record.step, trainer_.length.total_steps);
  if (!bar_.shown() && !logged) return;
  const std::vector<std::string> fields = progress_fields(record, left);
  bar_.draw(record.step, trainer_.length.total_steps, fields);
  if (!logged) return;
  const std::string text = fmt::format("step {}", fmt::join(fields, "  "));
  if (bar_.shown()) {
    folder_.append("log.txt", text);
  } else {
    line(text);
  }
  interval_ = {};
}

void Reporter::epoch(const EvalResult& result) {
  const Progress& progress = trainer_.progress;
  const int64_t epoch = progress.epochs_closed + 1;
  std::string val = ",";  // both columns are empty if the epoch was not validated
  if (result.is_validated()) {
    val = fmt::format("{:.9g},{:.9g}", result.loss, result.metric);
    events_.add_scalars(progress.step, {{"val/loss", result.loss},
                                        {"val/" + task_.info.metric.substr(4), result.metric}});
  }
  folder_.append("metrics.csv",
                 fmt::format("{},{},{:.9g},{},{:.9g},{:.4g},{:.3f}", epoch, progress.step,
                             progress.epoch_loss(), val, trainer_.schedule.at(progress.step - 1),
                             samples_per_s(epoch_), progress.seconds));
  epoch_ = {};
  if (!result.complete) return;
  if (!result.sample.empty()) line(result.sample);
  const std::string text = result.details.empty() ? task_.text(result) : result.details;
  line(fmt::format("epoch {}/{}: train {} {:.4f}, {}{}", epoch, trainer_.length.epochs, loss_name(),
                   progress.epoch_loss(), text, options_.model_ema ? " (EMA)" : ""));
}

void Reporter::write_summary(const EvalResult& best, const EvalResult& last, bool stopped_early) {
  const Progress& progress = trainer_.progress;
  Json json = {{"model", task_.info.model},
               {"data", task_.info.data},
               {"parameters", task_.info.parameters},
               {"steps", progress.step},
               {"total_steps", trainer_.length.total_steps},
               {"skipped_steps", progress.skipped}};
  if (stopped_early) json["stopped_early_at_epoch"] = progress.epochs_closed;
  if (best.complete) {
    json["best"] = task_.summary(best);
    json["best"]["epoch"] = progress.best.epoch;
    json["best"]["step"] = progress.best.step;
  }
  if (last.is_validated()) {
    json["final"] = task_.summary(last);
    task_.add_details(json["final"]);
  }
  json["wall_seconds"] = progress.seconds;
  json["peak_memory_bytes"] = {{"activations", trainer_.arena.peak_bytes()},
                               {"process", status_bytes("VmHWM")}};
  json["share_of_machine_peak"] = share_of_peak(samples_per_s(all_));  // NaN becomes null
  json["machine_peak_gflops"] = peak_gflops_;
  write_file_atomic(folder_.file("summary.json"), json_text(json));
}

void Reporter::summary(const EvalResult& last, bool stopped_early) {
  const Progress& progress = trainer_.progress;
  const EvalResult best{progress.has_best(), task_.info.validation_samples, progress.best.loss,
                        progress.best.metric};
  write_summary(best, last, stopped_early);
  std::string files = "summary.json, metrics.csv";
  if (!options_.no_figures) {
    const auto add = [&](Json& run) { task_.draw_figures(folder_, run); };
    std::string note;
    write_file_atomic(folder_.file("report.html"), report_page({folder_.path()}, add, note));
    if (!note.empty()) line("note     report.html lacks some parts: " + note);
    files += ", report.html";
    if (std::filesystem::exists(folder_.file("filters.png"))) {
      files += ", filters.png";
      events_.add_png(progress.step, "filters", read_text(folder_.file("filters.png")));
    }
  }
  if (best.complete) {
    line(fmt::format("best     {} (epoch {}), after {}", task_.text(best), progress.best.epoch,
                     duration_text(progress.seconds)));
  }
  line(fmt::format("memory   {} MB of activations, {} MB in all", trainer_.arena.peak_bytes() >> 20,
                   status_bytes("VmHWM") >> 20));
  line(fmt::format("run      {} ({})", folder_.path(), files));
  const std::string weights = folder_.checkpoint(best.complete ? "best" : "last");
  line("weights  " + weights);
  line("next     " + task_.next_command(weights));
}

}  // namespace gmlp
