#include "apps/train/ablation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

/// The median of the logged steps, in samples per second.
double median_speed(const std::string& steps_path) {
  std::vector<double> speeds;
  std::istringstream lines(read_text(steps_path));
  for (std::string line; std::getline(lines, line);) {
    const Json step = parse_json(line, steps_path);
    if (!step.contains("samples_per_s")) {
      fail_input("{}: a line is not a step of a run; restore the file", steps_path);
    }
    if (step["samples_per_s"].is_number()) speeds.push_back(step["samples_per_s"]);
  }
  return speeds.empty() ? 0 : median(speeds);
}

}  // namespace

int train_unless_done(const std::string& title, const std::string& folder,
                      const std::string& config, const std::function<int(bool resume)>& train) {
  const RunState state = run_state(folder, config);
  if (state == RunState::kDone) {
    fmt::print("{}: already finished in {}\n", title, folder);
    return kExitSuccess;
  }
  fmt::print("\n{}\n", title);
  return train(state == RunState::kSaved);
}

AblationRun read_ablation_run(const std::string& folder, uint64_t seed) {
  const std::string path = folder + "/summary.json";
  const Json summary = read_json(path);
  if (summary.value("steps", 0) < summary.value("total_steps", 1)) {
    fail_input("{}: the run is not finished; repeat the command to continue it", folder);
  }
  const Json::json_pointer key("/final/val_loss");
  if (!summary.contains(key)) {
    fail_input("{}: has no final validation; remove the run folder", path);
  }
  // The NaN of a run that diverged is null in JSON.
  const auto number = [&](const char* name) {
    const Json value = summary.at("final").value(name, Json());
    return value.is_number() ? value.get<double>() : NAN;
  };
  return {seed,
          folder,
          summary.at("parameters"),
          number("val_loss"),
          number("val_top1"),
          median_speed(folder + "/steps.jsonl")};
}

MeanDeviation mean_deviation(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1))};  // 0 / 0 = NaN for one value
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

std::string with_deviation(const MeanDeviation& value, int digits) {
  std::string mean = fmt::format("{:.{}f}", value.mean, digits);
  if (!std::isfinite(value.deviation)) return mean;
  return fmt::format("{} ± {:.{}f}", mean, value.deviation, digits);
}

}  // namespace gmlp
