#pragma once
// What tests of whole training runs share, for images and for text.

#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "apps/cli/run_main.h"
#include "apps/train/reporter.h"
#include "apps/train/trainer.h"
#include "core/io/file.h"

namespace gmlp::test {

/// Calls `run`, which returns an exit status, with the stop signal cleared before and after.
template <typename Run>
int run_without_signal(const Run& run) {
  set_stop_signal(0);
  const int status = run();
  set_stop_signal(0);
  return status;
}

/// Hooks that stop a run after `step`, as a signal would.
inline Trainer::Hooks stop_at(int64_t step) {
  Trainer::Hooks hooks;
  hooks.after_step = [step](Trainer& run) {
    if (run.progress.step == step) set_stop_signal(SIGTERM);
  };
  return hooks;
}

/// Weights, moments and averages of a run's last checkpoint, as bytes.
inline std::string tensors_of(const std::string& run) {
  return read_text(run + "/checkpoints/last/model.safetensors") +
         read_text(run + "/checkpoints/last/training.safetensors");
}

/// The columns of metrics.csv up to val_metric.
struct EpochRecord {
  int64_t epoch = 0, step = 0;
  double train_loss = 0;
  EvalResult val;
};

/// Reads metrics.csv, without lines that are no epoch.
inline std::vector<EpochRecord> read_metrics(const std::string& path) {
  std::vector<EpochRecord> records;
  std::istringstream lines(read_text(path));
  for (std::string line; std::getline(lines, line);) {
    EpochRecord record;
    const int read =
        std::sscanf(line.c_str(), "%" SCNd64 ",%" SCNd64 ",%lf,%lf,%lf", &record.epoch,
                    &record.step, &record.train_loss, &record.val.loss, &record.val.metric);
    record.val.complete = read == 5;
    if (read >= 3) records.push_back(record);
  }
  return records;
}

/// The lines of metrics.csv or steps.jsonl without what depends on the clock: the columns from
/// samples_per_s on.
inline std::string timeless(const std::string& path) {
  std::istringstream lines(read_text(path));
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    size_t end = line.find("\"samples_per_s\"");
    if (path.ends_with(".csv")) end = line.rfind(',', line.rfind(',') - 1);
    result += line.substr(0, end) + "\n";
  }
  return result;
}

}  // namespace gmlp::test
