#include "apps/train/metrics.h"

#include <cmath>

#include <fmt/format.h>

namespace gmlp {

namespace {

std::string json_number(double value, const char* format) {
  return std::isfinite(value) ? fmt::format(fmt::runtime(format), value) : "null";
}

}  // namespace

std::string step_line(const StepRecord& record) {
  return fmt::format(
      "{{\"step\":{},\"epoch\":{},\"loss\":{},\"lr\":{},\"grad_norm\":{},\"samples_per_s\":{},"
      "\"data_wait\":{}{}{}}}",
      record.step, record.epoch, json_number(record.loss, "{:.9g}"),
      json_number(record.lr, "{:.9g}"), json_number(record.grad_norm, "{:.9g}"),
      json_number(record.samples_per_s, "{:.4g}"), json_number(record.data_wait, "{:.3g}"),
      record.rank_wait > 0 ? fmt::format(",\"rank_wait\":{:.3g}", record.rank_wait) : "",
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

}  // namespace gmlp
