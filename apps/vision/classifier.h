#pragma once
// A classifier: a vision model, how images become its inputs, and its scores.
//
//   classifier.cpp   from a checkpoint folder and other programs' weights, and to config.json
//   evaluate.cpp     its loss and accuracy on a data set
//   report.cpp       what report.html shows of them

#include <string>
#include <tuple>
#include <vector>

#include "apps/train/task.h"
#include "data/vision/dataset.h"
#include "data/vision/transform.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

struct Classifier : LoadedVisionModel {
  TransformOptions transform;  // how images become inputs
  DataOptions split;           // how training split and shrank a set of files
  ExecutionOptions execution;

  /// The name of class `c`; "class 3" if the checkpoint has none.
  std::string label(size_t c) const;
};

/// Opens, verifies (checksums) and loads. Throws InputError naming the file, and the tensor.
Classifier load_classifier(const std::string& folder, const std::string& precision = "f32",
                           const std::string& kernels = "fused");

/// config.json: the model, how images become inputs ("pretrained_cfg", where timm looks for it) and
/// the "split", as evaluation must not meet images that were trained on.
std::string config_json(const Classifier& classifier);

/// The split in config.json's text. Absent in a folder that timm wrote: the defaults then, and
/// photographs as they are (photo_side 0).
DataOptions stored_split(const std::string& text, const std::string& path);

/// --init: weights from a checkpoint folder or a safetensors file. They may be of other images and
/// classes: a head of another number of classes starts anew, and classifier.cpp converts a stem of
/// other channels and the spatial weights of another number of patches. Returns lines for the log.
std::vector<std::string> initialize_from(VisionModel& model, const std::string& path);

/// The images in `dtype`, converted into the arena if necessary.
Tensor in_dtype(Arena& arena, const Tensor& images, DType dtype);

/// Logits (B, classes) of images (B, C, H, W), in the arena. Stores the head's input (B, D) in
/// `features` if it is not null.
Tensor predict_logits(const Classifier& classifier, const Tensor& images, Arena& arena,
                      Tensor* features = nullptr);

struct Evaluation : EvalResult {
  double top5 = 0;  // percent; meaningful for more than 5 classes
  /// Of each image: its class and the predicted one, as the model numbers them, and the probability
  /// of the latter.
  std::vector<std::tuple<size_t, size_t, double>> predictions;
};

/// A pass over a data set, whose classes are matched by name. Each image's loss is computed from
/// its logits in double and summed in the set's order, so batch size and threads do not change a
/// bit. After a stop signal the result is not `complete`. A terminal shows the progress. Throws
/// InputError naming the set's classes that the model does not have, or if a model without names
/// has another number of classes.
Evaluation evaluate(const Classifier& classifier, const ImageDataset& dataset, int64_t batch_size,
                    Arena& arena, bool show_progress = true);

/// Opens a data set to score, split as in training. `skip_bad` is that of DataOptions.
DataSplits open_to_score(const std::string& spec, const Classifier& classifier, int64_t skip_bad);

/// For report.html: W of the blocks, and of the `dataset` that `evaluation` is of, if it has
/// images, confusions, mistakes and samples.
void add_evaluation(Json& run, const Classifier& classifier, const ImageDataset& dataset,
                    const Evaluation& evaluation);

}  // namespace gmlp
