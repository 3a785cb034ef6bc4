#include "apps/vision/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/cli/terminal.h"
#include "apps/ranks/ranks.h"
#include "core/softmax.h"
#include "data/vision/loader.h"
#include "data/vision/sources.h"

namespace gmlp {

namespace {

std::vector<double> row_values(const Tensor& logits, int64_t row) {
  std::vector<double> values(static_cast<size_t>(logits.shape().cols()));
  for (size_t c = 0; c < values.size(); ++c) {
    values[c] = logits.at(row * logits.shape().cols() + static_cast<int64_t>(c));
  }
  return values;
}

/// Of an image: loss, rank of its class, its class, the predicted one and that one's probability.
constexpr size_t kScoreValues = 5;

/// Appends the score of a row.
void score(const Tensor& logits, int64_t row, int64_t label, std::vector<double>& scores) {
  const std::vector<double> z = row_values(logits, row);
  const size_t own = static_cast<size_t>(label);
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

}  // namespace

Tensor in_dtype(Arena& arena, const Tensor& images, DType dtype) {
  if (images.dtype() == dtype) return images;
  Tensor converted = arena.allocate(dtype, images.shape());
  converted.copy_from(images);
  return converted;
}

Tensor predict_logits(VisionModel& model, const Tensor& images, const ExecutionOptions& execution,
                      Arena& arena, Tensor* features) {
  Tape tape(arena, execution, false);
  const Var pooled = model.features(tape, in_dtype(arena, images, model.dtype()), {});
  if (features != nullptr) *features = tape.value(pooled);
  return tape.value(model.head(tape, pooled));
}

std::vector<double> softmax_row(const Tensor& logits, int64_t row) {
  std::vector<double> p = row_values(logits, row);
  softmax(p.data(), p.data(), std::ssize(p));
  return p;
}

Evaluation evaluate(VisionModel& model, const ImageDataset& dataset,
                    const TransformOptions& transform, int64_t batch_size,
                    const ExecutionOptions& execution, Arena& arena,
                    const std::vector<int64_t>& class_map, bool show_progress) {
  const LoaderOptions options{.batch_size = batch_size, .train = false, .shuffle = false};
  Evaluation result;
  const int64_t n = dataset.size();
  const int64_t share = chunk_count(n, rank_count());  // of each rank
  const int64_t first = std::min(n, rank() * share), end = std::min(n, first + share);
  std::vector<double> scores;
  ProgressBar bar(show_progress);
  for (int64_t begin = first; begin < end && own_stop_signal() == 0; begin += batch_size) {
    bar.draw_pass(begin - first, end - first);
    std::vector<int64_t> indices(static_cast<size_t>(std::min(batch_size, end - begin)));
    std::iota(indices.begin(), indices.end(), begin);
    const Batch batch = make_batch(dataset, transform, options, indices, 0, begin / batch_size);
    arena.reset();
    const Tensor logits = predict_logits(model, batch.images, execution, arena);
    for (size_t row = 0; row < batch.labels.size(); ++row) {
      const int64_t label = batch.labels[row];
      const int64_t mapped = class_map.empty() ? label : class_map[static_cast<size_t>(label)];
      score(logits, static_cast<int64_t>(row), mapped, scores);
    }
  }
  share_stop_signal();
  if (stop_signal() != 0) return result;
  scores.resize(static_cast<size_t>(share) * kScoreValues);
  scores = gather_ranks(scores);
  result.samples = n;
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    const double* values = &scores[i * kScoreValues];
    result.loss += values[0];
    result.metric += values[1] < 1 ? 1 : 0;
    result.top5 += values[1] < 5 ? 1 : 0;
    result.predictions.emplace_back(values[2], values[3], values[4]);
  }
  const double count = static_cast<double>(std::max<int64_t>(result.samples, 1));
  result.loss /= count;
  result.metric *= 100 / count;
  result.top5 *= 100 / count;
  result.complete = true;
  return result;
}

std::vector<int64_t> match_classes(const std::vector<std::string>& dataset_names,
                                   const std::vector<std::string>& model_names, int64_t classes) {
  if (model_names.empty()) {
    if (std::ssize(dataset_names) == classes) return {};
    fail_input(
        "the data has {} classes but the model {}, and its config.json has no label_names to "
        "match; choose the data that it was trained on",
        dataset_names.size(), classes);
  }
  std::vector<int64_t> map;
  std::vector<std::string> absent;
  for (const std::string& name : dataset_names) {
    const std::string stored = nfc_name(utf8_of(name));
    const auto is_it = [&](const std::string& other) { return nfc_name(other) == stored; };
    const auto found = std::ranges::find_if(model_names, is_it);
    if (found == model_names.end()) absent.push_back(printable(stored));
    if (std::ranges::count_if(model_names, is_it) > 1) {
      fail_input("the model has two classes {}; correct the label_names of its config.json",
                 printable(stored));
    }
    map.push_back(found - model_names.begin());
  }
  refuse_if(!absent.empty(), "the model has no classes {}, only {}; choose data with its classes",
            fmt::join(absent, ", "),
            printable(fmt::format("{}", fmt::join(model_names, ", ")), 1000));
  return map;
}

}  // namespace gmlp
