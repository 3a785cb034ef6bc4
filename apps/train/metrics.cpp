#include "apps/train/metrics.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <sstream>

#include <fmt/format.h>

#include "apps/train/chart.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

std::string json_number(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "null";
}

using Points = std::vector<std::pair<double, double>>;

/// (step, loss) of steps.jsonl as at most `count` means of equally many lines.
Points read_step_losses(const std::string& path, size_t count) {
  Points all;
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) {
    int64_t step = 0;
    double loss = 0;
    // A loss that is null, or a line that was edited, gives no point.
    const int read =
        std::sscanf(line.c_str(), "{\"step\":%" SCNd64 ",\"epoch\":%*d,\"loss\":%lf", &step, &loss);
    if (read == 2) all.emplace_back(step, loss);
  }
  const size_t size = std::max<size_t>(1, (all.size() + count - 1) / count);
  Points means;
  for (size_t begin = 0; begin < all.size(); begin += size) {
    const size_t end = std::min(begin + size, all.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += all[i].second;
    means.emplace_back(all[end - 1].first, sum / static_cast<double>(end - begin));
  }
  return means;
}

}  // namespace

std::string step_line(const StepRecord& record) {
  return fmt::format(
      "{{\"step\":{},\"epoch\":{},\"loss\":{},\"lr\":{},\"grad_norm\":{},\"samples_per_s\":{},"
      "\"data_wait\":{}{}}}",
      record.step, record.epoch, json_number(record.loss, "{:.9g}"),
      json_number(record.lr, "{:.9g}"), json_number(record.grad_norm, "{:.9g}"),
      json_number(record.samples_per_s, "{:.4g}"), json_number(record.data_wait, "{:.3g}"),
      record.skipped ? ",\"skipped\":true" : "");
}

std::string metrics_header(const std::string& metric) {
  return "epoch,step,train_loss,val_loss," + metric + ",lr,samples_per_s,seconds";
}

std::string metrics_row(const EpochRecord& record) {
  std::string val = ",";
  if (record.validated) val = fmt::format("{:.9g},{:.9g}", record.val_loss, record.val_metric);
  return fmt::format("{},{},{:.9g},{},{:.9g},{:.4g},{:.3f}", record.epoch, record.step,
                     record.train_loss, val, record.lr, record.samples_per_s, record.seconds);
}

std::vector<EpochRecord> read_metrics(const std::string& path) {
  std::vector<EpochRecord> records;
  std::istringstream lines(read_text(path));
  std::string text;
  std::getline(lines, text);  // the header
  while (std::getline(lines, text)) {
    EpochRecord record;
    const int read =
        std::sscanf(text.c_str(), "%" SCNd64 ",%" SCNd64 ",%lf,%lf,%lf", &record.epoch,
                    &record.step, &record.train_loss, &record.val_loss, &record.val_metric);
    record.validated = read >= 4;  // an earlier version left the metric of text empty
    if (read >= 3) records.push_back(record);
  }
  return records;
}

std::string draw_results(const std::string& title, const std::string& metric_title,
                         const std::string& metrics_path, const std::string& steps_path) {
  constexpr size_t kPoints = 100;  // of the training loss
  const Curve train{"train", "#1f77b4", read_step_losses(steps_path, kPoints)};
  Curve val{"validation", "#d62728", {}};
  Curve metric = val;
  for (const EpochRecord& row : read_metrics(metrics_path)) {
    if (!row.validated) continue;
    val.points.emplace_back(static_cast<double>(row.step), row.val_loss);
    metric.points.emplace_back(static_cast<double>(row.step), row.val_metric);
  }
  return draw_svg(title, {{"Loss", "step", "cross-entropy", {train, val}},
                          {metric_title, "step", metric_title, {metric}}});
}

}  // namespace gmlp
