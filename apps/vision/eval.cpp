// gmlp-vision eval: loss and accuracy of a checkpoint on a data set.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/train/options.h"
#include "apps/vision/commands.h"
#include "apps/vision/evaluate.h"
#include "apps/vision/model_choice.h"
#include "apps/vision/weights.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

struct EvalOptions : StoredModelOptions {
  std::string data;
  std::string split = "val";
  std::string json;
  int64_t batch_size = 128;
  int64_t skip_bad = 0;
};

void add_options(CLI::App& app, EvalOptions& options) {
  add_stored_model_options(app, options);
  app.add_option("--data", options.data, "Data set, as for train")->required()->type_name("SPEC");
  app.add_option("--split", options.split, "Part of the data set")
      ->check(CLI::IsMember({"val", "train"}))
      ->capture_default_str();
  app.add_option("--skip-bad", options.skip_bad, "Number of unreadable images to skip")
      ->check(integer_in());
  app.add_option("--json", options.json, "File for the result")->type_name("FILE");
  app.add_option("--batch-size", options.batch_size,
                 "Images per batch; with fused kernels every size gives the same result")
      ->check(integer_in(1, kLargestBatch))
      ->capture_default_str();
}

/// Prints a top-k accuracy with its standard error, and adds both to `json`.
void report_accuracy(int k, double percent, int64_t samples, nlohmann::ordered_json& json) {
  const double error = 100 * standard_error(percent / 100, samples);
  fmt::print("top-{}  {:.2f} ± {:.2f} %\n", k, percent, error);
  json[fmt::format("top{}", k)] = percent;
  json[fmt::format("top{}_standard_error", k)] = error;
}

void report(const EvalOptions& options, const Evaluation& result, bool with_top5) {
  fmt::print("{} of {}: {} images\n", options.split, options.data, grouped(result.samples));
  fmt::print("loss   {:.6f}\n", result.loss);
  nlohmann::ordered_json json = {{"model", options.model},
                                 {"data", options.data},
                                 {"split", options.split},
                                 {"samples", result.samples},
                                 {"loss", result.loss}};
  report_accuracy(1, result.metric, result.samples, json);
  if (with_top5) report_accuracy(5, result.top5, result.samples, json);
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
}

}  // namespace

int run_eval(const std::vector<std::string>& arguments) {
  EvalOptions options;
  CLI::App app("Evaluate a checkpoint", "gmlp-vision eval");
  add_options(app, options);
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  set_thread_count(resolve_threads(options.threads));

  const LoadedModel loaded = load_model(options.model);
  DataOptions data_options = loaded.split;
  data_options.skip_bad = options.skip_bad;
  const DataSplits data = open_dataset(options.data, data_options);
  for (const std::string& line : data.notes) fmt::print("{}\n", line);
  const ImageDataset& set = options.split == "val" ? *data.val : *data.train;
  const std::vector<int64_t> classes =
      match_classes(set.class_names(), loaded.label_names, loaded.model->config().classes);
  const ExecutionOptions execution =
      stored_model_execution(*loaded.model, options.precision, options.kernels);
  Arena arena;
  const Evaluation result =
      evaluate(*loaded.model, set, loaded.transform, options.batch_size, execution, arena, classes);
  if (!result.complete) return 128 + stop_signal();
  report(options, result, loaded.model->config().classes > 5);
  return kExitSuccess;
}

}  // namespace gmlp
