// gmlp-vision eval: loss and accuracy of a checkpoint on a set.

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
  app.add_option("--data", options.data, "As train's --data")->required()->type_name("SPEC");
  app.add_option("--split", options.split, "val or train")->check(CLI::IsMember({"val", "train"}));
  app.add_option("--skip-bad", options.skip_bad, "As train's")->check(integer_in());
  app.add_option("--json", options.json, "Write the result to FILE, too")->type_name("FILE");
  app.add_option("--batch-size", options.batch_size,
                 "Images at a time; changes no digit on fused kernels")
      ->check(integer_in(1, kLargestBatch));
}

void report(const EvalOptions& options, const Evaluation& result, bool with_top5) {
  const double error1 = 100 * standard_error(result.metric / 100, result.samples);
  fmt::print("{} of {}: {} images\n", options.split, options.data, grouped(result.samples));
  fmt::print("loss   {:.6f}\n", result.loss);
  fmt::print("top-1  {:.2f} ± {:.2f} %\n", result.metric, error1);
  nlohmann::ordered_json json = {{"model", options.model},       {"data", options.data},
                                 {"split", options.split},       {"samples", result.samples},
                                 {"loss", result.loss},          {"top1", result.metric},
                                 {"top1_standard_error", error1}};
  if (with_top5) {
    const double error5 = 100 * standard_error(result.top5 / 100, result.samples);
    fmt::print("top-5  {:.2f} ± {:.2f} %\n", result.top5, error5);
    json["top5"] = result.top5;
    json["top5_standard_error"] = error5;
  }
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
