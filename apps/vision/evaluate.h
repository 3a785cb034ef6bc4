#pragma once
// A pass over a data set: loss and accuracy. Each image's loss is computed from its logits in
// double and summed in the set's order, so batch size and threads do not change a bit.

#include <string>
#include <tuple>
#include <vector>

#include "apps/train/task.h"
#include "apps/vision/weights.h"
#include "core/arena.h"
#include "core/io/json.h"

namespace gmlp {

struct Evaluation : EvalResult {
  double top5 = 0;  // percent; meaningful for more than 5 classes
  /// Of each image: its class and the predicted one, as the model numbers them, and the probability
  /// of the latter.
  std::vector<std::tuple<size_t, size_t, double>> predictions;
};

/// `class_map[c]` is the model's class for the set's class c. An empty map is the identity. After a
/// stop signal the result is not `complete`. A terminal shows the progress.
Evaluation evaluate(VisionModel& model, const ImageDataset& dataset,
                    const TransformOptions& transform, int64_t batch_size,
                    const ExecutionOptions& execution, Arena& arena,
                    const std::vector<int64_t>& class_map, bool show_progress = true);

/// For report.html: W of the blocks, and of the `dataset` that `evaluation` is of, if it has
/// images, confusions, mistakes and samples. `labels` are the model's classes.
void add_evaluation(Json& run, VisionModel& model, const ImageDataset& dataset,
                    const TransformOptions& transform, const Evaluation& evaluation,
                    const std::vector<std::string>& labels);

/// The class map that matches names. Throws InputError naming the set's classes that the model does
/// not have, or if a model without names has another number of classes.
std::vector<int64_t> match_classes(const std::vector<std::string>& dataset_names,
                                   const std::vector<std::string>& model_names, int64_t classes);

/// The images in `dtype`, converted into the arena if necessary.
Tensor in_dtype(Arena& arena, const Tensor& images, DType dtype);

/// Logits (B, classes) of images (B, C, H, W), in the arena. Stores the head's input (B, D) in
/// `features` if it is not null.
Tensor predict_logits(VisionModel& model, const Tensor& images, const ExecutionOptions& execution,
                      Arena& arena, Tensor* features = nullptr);

/// The probabilities of one row.
std::vector<double> softmax_row(const Tensor& logits, int64_t row);

}  // namespace gmlp
