// gmlp-vision eval: loss and accuracy of a checkpoint on a data set, in all and per class.

#include <CLI/CLI.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "apps/vision/evaluate.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

constexpr int64_t kMostMatrixClasses = 4096;  // a matrix of 128 MB

struct EvalOptions : StoredModelOptions {
  std::string data, split, json;
  int64_t batch_size = 128, skip_bad = 0;
};

void add_options(CLI::App& app, EvalOptions& options) {
  add_stored_model_options(app, options);
  app.add_option("--data", options.data, "Data set, as for train")->required()->type_name("SPEC");
  app.add_option("--split", options.split,
                 "Part of the data set: val, train or all; by default val, and all of a folder "
                 "without val/ that the model was not trained on")
      ->check(CLI::IsMember({"val", "train", "all"}));
  OptionGroup group(app, "Options");
  group.integer("--skip-bad", options.skip_bad, "Number of unreadable images to skip");
  group.text("--json", options.json, "FILE", "File for the result, with the confusion matrix");
  group.integer("--batch-size", options.batch_size,
                "Images per batch; with fused kernels every size gives the same result", 1,
                kLargestBatch);
}

/// Prints the accuracy of each scored class, and the confusion matrix (a row per class, a column
/// per predicted class) if it fits the screen. Returns both as JSON.
Json report_classes(const Evaluation& result, const LoadedModel& loaded) {
  constexpr size_t kMostPrinted = 100;  // classes
  constexpr size_t kMostColumns = 12;
  const size_t classes = static_cast<size_t>(loaded.model->config().classes);
  std::vector<std::vector<int64_t>> confusion(classes, std::vector<int64_t>(classes));
  for (const auto& [label, predicted, p] : result.predictions) {
    if (std::isfinite(p)) ++confusion[label][predicted];  // a NaN predicts nothing
  }
  Json json = {{"classes", Json::array()}, {"confusion", confusion}};
  std::string table = fmt::format("{:<24} {:>7} {:>8}", "class", "images", "top-1 %");
  for (size_t c = 0; c < classes && classes <= kMostColumns; ++c) table += fmt::format(" {:>5}", c);
  for (size_t c = 0; c < classes; ++c) {
    const std::vector<int64_t>& row = confusion[c];
    const int64_t samples = std::accumulate(row.begin(), row.end(), int64_t{0});
    if (samples == 0) continue;
    const double top1 = 100 * static_cast<double>(row[c]) / static_cast<double>(samples);
    const std::string label = loaded.label(c);
    json["classes"].push_back(
        {{"class", c}, {"label", label}, {"samples", samples}, {"top1", top1}});
    const std::string name = fmt::format("{} {}", c, printable(label, 20));
    table += fmt::format("\n{:<24} {:>7} {:>8.2f}", name, samples, top1);
    if (classes <= kMostColumns) table += fmt::format(" {:>5}", fmt::join(row, " "));
  }
  if (classes <= kMostPrinted) fmt::print("{}\n", table);
  return json;
}

void report(const EvalOptions& options, const Evaluation& result, const LoadedModel& loaded) {
  fmt::print("{} of {}: {} images\nloss   {:.6f}\n", options.split, options.data,
             grouped(result.samples), result.loss);
  Json json = {{"model", options.model},
               {"data", options.data},
               {"split", options.split},
               {"samples", result.samples},
               {"loss", result.loss}};
  for (const int k : {1, 5}) {
    if (k == 5 && loaded.model->config().classes <= 5) continue;
    const double percent = k == 1 ? result.metric : result.top5;
    const double error = 100 * standard_error(percent / 100, result.samples);
    fmt::print("top-{}  {:.2f} ± {:.2f} %\n", k, percent, error);
    json[fmt::format("top{}", k)] = percent;
    json[fmt::format("top{}_standard_error", k)] = error;
  }
  if (loaded.model->config().classes <= kMostMatrixClasses) {
    json.update(report_classes(result, loaded));
  } else {
    fmt::print("no results per class: the model has more than {}\n", kMostMatrixClasses);
  }
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
}

}  // namespace

int run_eval(const std::vector<std::string>& arguments) {
  EvalOptions options;
  CLI::App app("Evaluate a checkpoint", "gmlp-vision eval");
  add_options(app, options);
  parse_arguments(app, arguments);
  check_outputs({{"--json", options.json, ".json"}}, {}, options.model);

  const LoadedModel loaded = load_model(options);
  DataOptions data_options = loaded.split;
  data_options.skip_bad = options.skip_bad;
  data_options.scoring = true;
  const DataSplits data = open_dataset(options.data, data_options);
  for (const std::string& line : data.notes) fmt::print("{}\n", printable(line, line.npos));
  if (options.split.empty()) options.split = data.train->size() == 0 ? "all" : "val";
  const std::shared_ptr<const ImageDataset> set = options.split == "all"   ? all_images(data)
                                                  : options.split == "val" ? data.val
                                                                           : data.train;
  refuse_if(set->size() == 0, "--split {}: {} has no such images; use --split all", options.split,
            options.data);
  const std::vector<int64_t> classes =
      match_classes(set->class_names(), loaded.label_names, loaded.model->config().classes);
  Arena arena;
  const Evaluation result = evaluate(*loaded.model, *set, loaded.transform, options.batch_size,
                                     loaded.execution, arena, classes);
  if (!result.complete) return 128 + stop_signal();
  report(options, result, loaded);
  return kExitSuccess;
}

}  // namespace gmlp
