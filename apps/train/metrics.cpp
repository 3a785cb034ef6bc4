#include "apps/train/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include <fmt/format.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

constexpr size_t kMetricsColumns = 8;

std::string json_number(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "null";
}

double number_or_fail(const std::string& cell, const std::string& path, int64_t line) {
  char* end = nullptr;
  const double value = std::strtod(cell.c_str(), &end);
  if (cell.empty() || *end != '\0') {
    fail_input("{}: line {}: '{}' is not a number", path, line, cell);
  }
  return value;
}

EpochRecord parse_row(const std::string& text, const std::string& path, int64_t line) {
  std::vector<std::string> cells;
  std::istringstream stream(text);
  std::string cell;
  while (std::getline(stream, cell, ',')) cells.push_back(cell);
  if (cells.size() != kMetricsColumns) {
    fail_input("{}: line {} has {} columns, not {}", path, line, cells.size(), kMetricsColumns);
  }
  EpochRecord record;
  record.epoch = static_cast<int64_t>(number_or_fail(cells[0], path, line));
  record.step = static_cast<int64_t>(number_or_fail(cells[1], path, line));
  record.train_loss = number_or_fail(cells[2], path, line);
  record.validated = !cells[3].empty();
  if (record.validated) {
    record.val_loss = number_or_fail(cells[3], path, line);
    record.val_metric = cells[4].empty() ? -1 : number_or_fail(cells[4], path, line);
  }
  record.lr = number_or_fail(cells[5], path, line);
  return record;
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
  if (record.validated) {
    val = fmt::format("{:.9g},{:.9g}", record.val_loss, record.val_metric);
  }
  return fmt::format("{},{},{:.9g},{},{:.9g},{:.4g},{:.3f}", record.epoch, record.step,
                     record.train_loss, val, record.lr, record.samples_per_s, record.seconds);
}

std::vector<EpochRecord> read_metrics(const std::string& path) {
  std::vector<EpochRecord> records;
  std::istringstream lines(read_text(path));
  std::string text;
  for (int64_t line = 1; std::getline(lines, text); ++line) {
    if (line > 1) records.push_back(parse_row(text, path, line));
  }
  return records;
}

std::vector<std::pair<double, double>> read_step_losses(const std::string& path, int64_t parts) {
  std::vector<std::pair<double, double>> all;
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::ordered_json row = parse_json(line, path);
    if (!row.contains("step") || !row.contains("loss")) {
      fail_input("{}: a line is no step of a run; restore the file", path);
    }
    if (row["loss"].is_number()) all.emplace_back(row["step"], row["loss"]);
  }
  const int64_t count = static_cast<int64_t>(all.size());
  const int64_t size = std::max<int64_t>(1, (count + parts - 1) / parts);
  std::vector<std::pair<double, double>> means;
  for (int64_t begin = 0; begin < count; begin += size) {
    const int64_t end = std::min(begin + size, count);
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += all[static_cast<size_t>(i)].second;
    means.emplace_back(all[static_cast<size_t>(end - 1)].first,
                       sum / static_cast<double>(end - begin));
  }
  return means;
}

double standard_error(double p, int64_t n) {
  return n > 0 ? std::sqrt(p * (1 - p) / static_cast<double>(n)) : 0;
}

int64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    int64_t kilobytes = 0;
    if (word == name + ":" && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

int64_t peak_resident_bytes() {
  return status_bytes("VmHWM");
}

std::string duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t i = static_cast<int64_t>(digits.size()) - 3; i > (value < 0 ? 1 : 0); i -= 3) {
    digits.insert(static_cast<size_t>(i), 1, ',');
  }
  return digits;
}

}  // namespace gmlp
