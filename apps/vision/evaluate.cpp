// gmlp-vision eval: loss and accuracy of a checkpoint on a data set, in all and per class.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/cli/terminal.h"
#include "apps/ranks/ranks.h"
#include "apps/vision/commands.h"
#include "core/io/file.h"
#include "core/parallel.h"
#include "core/softmax.h"
#include "data/vision/dataset.h"

namespace gmlp {

namespace {

/// The model's class for each class of the data set.
std::vector<size_t> match_classes(const ImageDataset& dataset, const Classifier& classifier) {
  const std::vector<std::string>& names = dataset.class_names;
  const std::vector<std::string>& known = classifier.label_names;
  const int64_t classes = classifier.model->config().classes;
  std::vector<size_t> map(names.size());
  std::iota(map.begin(), map.end(), size_t{0});
  if (names == known || (known.empty() && std::ssize(names) == classes)) return map;
  refuse_if(known.empty(),
            "the data has {} classes but the model {}, and its config.json has no label_names to "
            "match; choose the data that it was trained on",
            names.size(), classes);
  std::multimap<std::string, size_t> places;
  for (const std::string& name : known) places.emplace(nfc_name(name), places.size());
  std::vector<std::string> absent;
  for (size_t c = 0; c < names.size(); ++c) {
    const std::string name = nfc_name(utf8_of(names[c]));
    const auto [found, end] = places.equal_range(name);
    if (found == end) {
      absent.push_back(printable(name));
      continue;
    }
    refuse_if(std::next(found) != end,
              "the model has two classes {}; correct the label_names of its config.json",
              printable(name));
    map[c] = found->second;
  }
  refuse_if(!absent.empty(), "the model has no classes {}, only {}; choose data with its classes",
            fmt::join(absent, ", "), printable(fmt::format("{}", fmt::join(known, ", ")), 1000));
  return map;
}

/// Of an image: loss, rank of its class, its class, the predicted one and that one's probability.
constexpr int64_t kScoreValues = 5;

/// Appends the score of an image of class `own` with logits z.
void add_score(std::span<const double> z, size_t own, std::vector<double>& scores) {
  int64_t rank = 0;  // ties go to the lower index
  for (size_t c = 0; c < z.size(); ++c) {
    // A NaN ranks first, so that a broken model does not look right.
    if (!(z[c] < z[own] || (z[c] == z[own] && c >= own))) ++rank;
  }
  const double log_sum = log_sum_exp(z.data(), std::ssize(z));
  const auto greatest = std::ranges::max_element(z);
  const size_t predicted = rank == 0 ? own : static_cast<size_t>(greatest - z.begin());
  scores.insert(scores.end(),
                {log_sum - z[own], static_cast<double>(rank), static_cast<double>(own),
                 static_cast<double>(predicted), std::exp(z[predicted] - log_sum)});
}

struct EvalOptions : StoredModelOptions {
  std::string data, split, json;
  int64_t batch_size = 128, skip_bad = 0;
};

/// Prints the accuracy of each scored class, and the confusion matrix (a row per class, a column
/// per predicted class) if it fits the screen. Returns both as JSON.
Json report_classes(const Evaluation& result, const Classifier& classifier) {
  constexpr size_t kMostPrinted = 100;  // classes
  constexpr size_t kMostColumns = 12;
  const size_t classes = static_cast<size_t>(classifier.model->config().classes);
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
    const std::string label = classifier.label(c);
    json["classes"].push_back(
        {{"class", c}, {"label", label}, {"samples", samples}, {"top1", top1}});
    const std::string name = fmt::format("{} {}", c, printable(label, 20));
    table += fmt::format("\n{:<24} {:>7} {:>8.2f}", name, samples, top1);
    if (classes <= kMostColumns) table += fmt::format(" {:>5}", fmt::join(row, " "));
  }
  if (classes <= kMostPrinted) fmt::print("{}\n", table);
  return json;
}

void report(const EvalOptions& options, const Evaluation& result, const Classifier& classifier) {
  constexpr int64_t kMostMatrixClasses = 4096;  // a matrix of 128 MB
  const int64_t classes = classifier.model->config().classes;
  fmt::print("{} of {}: {} images\nloss   {:.6f}\n", options.split, options.data,
             grouped(result.samples), result.loss);
  Json json = {{"model", options.model},
               {"data", options.data},
               {"split", options.split},
               {"samples", result.samples},
               {"loss", result.loss}};
  for (const auto& [k, percent] : {std::pair{1, result.metric}, {5, result.top5}}) {
    if (k == 5 && classes <= 5) continue;
    const double error = 100 * standard_error(percent / 100, result.samples);
    fmt::print("top-{}  {:.2f} ± {:.2f} %\n", k, percent, error);
    json[fmt::format("top{}", k)] = percent;
    json[fmt::format("top{}_standard_error", k)] = error;
  }
  if (classes <= kMostMatrixClasses) {
    json.update(report_classes(result, classifier));
  } else {
    fmt::print("no results per class: the model has more than {}\n", kMostMatrixClasses);
  }
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
}

}  // namespace

Tensor in_dtype(Arena& arena, const Tensor& images, DType dtype) {
  if (images.dtype() == dtype) return images;
  Tensor converted = arena.allocate(dtype, images.shape());
  converted.copy_from(images);
  return converted;
}

Tensor predict_logits(const Classifier& classifier, const Tensor& images, Arena& arena,
                      Tensor* features) {
  VisionModel& model = *classifier.model;
  Tape tape(arena, classifier.execution, false);
  const Var pooled = model.features(tape, in_dtype(arena, images, model.dtype()), {});
  if (features != nullptr) *features = tape.value(pooled);
  return tape.value(model.head(tape, pooled));
}

Evaluation evaluate(const Classifier& classifier, const ImageDataset& dataset, int64_t batch_size,
                    Arena& arena, bool show_progress) {
  // Ranks share small sets equally, and a batch is no larger than a rank's share.
  batch_size = std::clamp<int64_t>(chunk_count(dataset.size(), rank_count()), 1, batch_size);
  const LoaderOptions options{.batch_size = batch_size, .train = false, .shuffle = false};
  const std::vector<size_t> class_map = match_classes(dataset, classifier);
  const size_t classes = static_cast<size_t>(classifier.model->config().classes);
  const auto score = [&](int64_t begin, int64_t end, std::vector<double>& scores) {
    std::vector<int64_t> indices(static_cast<size_t>(end - begin));
    std::iota(indices.begin(), indices.end(), begin);
    const Batch batch =
        make_batch(dataset, classifier.transform, options, indices, 0, begin / batch_size);
    arena.reset();
    const Tensor logits = predict_logits(classifier, batch.images, arena);
    const double* z = in_dtype(arena, logits, DType::kF64).data<double>();
    for (const int64_t label : batch.labels) {
      add_score({z, classes}, class_map[static_cast<size_t>(label)], scores);
      z += classes;
    }
  };
  Evaluation result;
  result.complete = true;
  result.samples = dataset.size();
  const ScoringPass pass = {result.samples, batch_size, kScoreValues, show_progress};
  score_samples(pass, score, [&](const double* values) {
    result.loss += values[0];
    result.metric += values[1] < 1 ? 1 : 0;
    result.top5 += values[1] < 5 ? 1 : 0;
    result.predictions.emplace_back(values[2], values[3], values[4]);
  });
  const double count = static_cast<double>(std::max<int64_t>(result.samples, 1));
  result.loss /= count;
  result.metric *= 100 / count;
  result.top5 *= 100 / count;
  return result;
}

DataSplits open_to_score(const std::string& spec, const Classifier& classifier, int64_t skip_bad) {
  DataOptions options = classifier.split;
  options.skip_bad = skip_bad;
  options.scoring = true;
  return open_dataset(spec, options);
}

int run_eval(const std::vector<std::string>& arguments) {
  EvalOptions options;
  CLI::App app("Evaluate a checkpoint", "gmlp-vision eval");
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
  parse_arguments(app, arguments);
  check_outputs({{"--json", options.json, ".json"}}, {}, options.model);

  use_threads(options.threads);
  const Classifier classifier = load_classifier(options.model, options.precision, options.kernels);
  const DataSplits data = open_to_score(options.data, classifier, options.skip_bad);
  for (const std::string& line : data.notes) fmt::print("{}\n", printable(line, line.npos));
  if (options.split.empty()) options.split = data.train->size() == 0 ? "all" : "val";
  const std::shared_ptr<const ImageDataset> set = options.split == "all"   ? all_images(data)
                                                  : options.split == "val" ? data.val
                                                                           : data.train;
  refuse_if(set->size() == 0, "--split {}: {} has no such images; use --split all", options.split,
            options.data);
  Arena arena;
  report(options, evaluate(classifier, *set, options.batch_size, arena), classifier);
  return kExitSuccess;
}

}  // namespace gmlp
