#pragma once
// A full pass over a set: loss and accuracy. Each image's share is computed from its own logits in
// double and summed in the set's order, so batch size and threads change no bit.

#include <string>
#include <vector>

#include "apps/train/task.h"
#include "core/arena.h"
#include "data/vision/dataset.h"
#include "data/vision/transform.h"
#include "models/vision.h"

namespace gmlp {

struct Evaluation : EvalResult {
  double top5 = 0;  // percent; meaningful for more than 5 classes
};

/// `class_map[c]` is the model's class for the set's class c; empty: the same.
Evaluation evaluate(VisionModel& model, const ImageDataset& dataset,
                    const TransformOptions& transform, int64_t batch_size,
                    const ExecutionOptions& execution, Arena& arena,
                    const std::vector<int64_t>& class_map);

/// Finds the set's classes among the model's by name. Throws InputError naming those that are
/// absent, or when a model without names has another number of classes.
std::vector<int64_t> match_classes(const std::vector<std::string>& dataset_names,
                                   const std::vector<std::string>& model_names, int64_t classes);

/// The images in the model's dtype; f64 is converted into the arena.
Tensor in_dtype(Arena& arena, const Tensor& images, DType dtype);

/// logits (B, classes) of `images` (B, C, H, W), in the arena.
Tensor predict_logits(VisionModel& model, const Tensor& images, const ExecutionOptions& execution,
                      Arena& arena);

/// The row's probabilities.
std::vector<double> softmax_row(const Tensor& logits, int64_t row);

}  // namespace gmlp
