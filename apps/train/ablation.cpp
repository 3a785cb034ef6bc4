#include "apps/train/ablation.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/cli/run_main.h"
#include "apps/train/run_folder.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

/// The median of the logged steps, in samples per second.
double median_speed(const std::string& steps_path) {
  std::vector<double> speeds;
  for (const std::string& line : lines_of(read_text(steps_path))) {
    const Json step = parse_json(line, steps_path);
    refuse_if(!step.contains("samples_per_s"),
              "{}: a line is not a step of a run; restore the file", steps_path);
    if (step["samples_per_s"].is_number()) speeds.push_back(step["samples_per_s"]);
  }
  return speeds.empty() ? 0 : median(speeds);
}

/// Whether there is a run in `options.out` to continue.
bool is_begun(const TrainOptions& options) {
  const std::string path = options.out + "/config.toml";
  if (!std::filesystem::exists(path)) return false;
  if (binding_options(read_text(path)) == binding_options(options.config)) return true;
  fail_input("{}: is a run with other options; choose another --out, or remove it", options.out);
}

}  // namespace

int train_all(const std::vector<PlannedRun>& runs, const std::function<void()>& report) {
  for (const PlannedRun& run : runs) is_begun(run.options);  // throws before the first run
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& [title, options, train, results] = runs[i];
    const std::string numbered = fmt::format("run {} of {}: {}", i + 1, runs.size(), title);
    if (is_finished(options.out)) {
      fmt::print("{}: already finished in {}\n", numbered, options.out);
    } else {
      fmt::print("\n{}\n", numbered);
      const int status = train(is_begun(options));
      if (status != kExitSuccess) return status;
    }
    results->push_back(read_ablation_run(options.out, options.seed));
  }
  report();
  return kExitSuccess;
}

void add_ablation_options(CLI::App& app, AblationOptions& options, const char* seeds) {
  OptionGroup group(app, "Options");
  app.option_defaults()->always_capture_default();
  group.text("--out", options.out, "DIR", "Folder of the runs and the tables");
  group.integer("--seeds", options.seeds, seeds, options.seeds == 0 ? 0 : 1, 1000);
  app.allow_extras();
}

void refuse_options(const std::vector<const char*>& names, const std::string& reason,
                    const std::string& config, const std::string& defaults) {
  const std::map<std::string, std::string> given = options_of(config);
  const std::map<std::string, std::string> before = options_of(defaults);
  for (const char* name : names) {
    if (given.at(name) == before.at(name)) continue;
    fail_input("--{}: {}; remove it from the arguments or the --config file", name, reason);
  }
}

void write_ablation(const std::string& out, const std::string& table, const Json& json) {
  write_file_atomic(out + "/ablation.md", table);
  write_file_atomic(out + "/ablation.json", json_text(json));
  fmt::print(
      "\n{1}\ntables   {0}/ablation.md, {0}/ablation.json\nchart    tools/plot.py ablation {0}\n",
      out, table);
}

AblationRun read_ablation_run(const std::string& folder, uint64_t seed) {
  const std::string path = folder + "/summary.json";
  refuse_if(!is_finished(folder), "{}: the run is not finished; repeat the command to continue it",
            folder);
  const Json summary = read_json(path);
  const Json::json_pointer key("/final/val_loss");
  refuse_if(!summary.contains(key), "{}: has no final validation; remove the run folder", path);
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

std::vector<double> values_of(const std::vector<AblationRun>& runs, double AblationRun::*member) {
  std::vector<double> values;
  values.reserve(runs.size());
  for (const AblationRun& run : runs) values.push_back(run.*member);
  return values;
}

MeanDeviation mean_deviation(const std::vector<double>& values) {
  const double count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1))};  // 0 / 0 = NaN for one value
}

Json to_json(const MeanDeviation& value) {
  return {{"mean", value.mean}, {"deviation", value.deviation}};
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace gmlp
