#pragma once
// The subcommands of gmlp-vision, the options of train, and what the subcommands share: a
// classifier, which is a vision model, how images become its inputs, and its scores.
//
//   options.cpp      the options of train
//   train.cpp        its task: batches, loss, validation
//   classifier.cpp   from a checkpoint folder and other programs' weights, and to config.json
//   evaluate.cpp     loss and accuracy on a data set
//   report.cpp       what report.html shows of them

#include <string>
#include <tuple>
#include <vector>

#include "apps/train/trainer.h"
#include "data/vision/loader.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

// Each takes the arguments after its name, returns the exit status and throws InputError for wrong
// usage or input. train's arguments become VisionOptions first, which `ablate` and `report` use,
// too.
int run_ablate(const std::vector<std::string>& arguments);
int run_eval(const std::vector<std::string>& arguments);
int run_predict(const std::vector<std::string>& arguments);
int run_export(const std::vector<std::string>& arguments);
int run_vision_report(const std::vector<std::string>& arguments);
int run_info(const std::vector<std::string>& arguments);

/// The options of train beside those of apps/train/options.h.
struct VisionOptions : TrainOptions {
  // Data.
  std::string data;    // open_dataset's SPEC
  DataOptions source;  // how it is split
  bool no_shuffle = false;
  // Model.
  std::string model;  // a name, a checkpoint folder or a FILE.json; the architecture only
  std::string init;   // a checkpoint folder or FILE.safetensors of initial weights
  // 0: the model's
  int64_t img_size = 0, patch_size = 0, in_chans = 0, depth = 0, d_model = 0, d_ffn = 0;
  int64_t heads = 0, spatial_ffn = 0;
  std::string arch, gate;  // empty: the model's
  bool class_token = false;
  // Augmentation and regularization.
  std::string aug = "light";
  bool no_flip = false;
  std::vector<double> scale, ratio;  // of the random crop; empty: by the image size
  LoaderOptions loading = {.smoothing = 0.1};
  std::string class_weights = "none";
  double drop_path = 0;
};

VisionOptions parse_train(const std::vector<std::string>& arguments,
                          const VisionOptions& defaults = {});

/// How the data is split and shrunk. A resumed run, whose options.model is its checkpoint, goes on
/// as it began. Photographs keep what a stored model's had, or twice --img-size, so that crops have
/// something to choose from, or what is enough for 224.
DataOptions data_options_for(const VisionOptions& options, bool resumed);

/// --model with the options' overrides and the data's classes (and channels, if a name was given).
VisionConfig choose_model(const VisionOptions& options, const DataSplits& data);

/// Trains and returns the exit status. `hooks` are for tests.
int train(const VisionOptions& options, const Trainer::Hooks& hooks = {});

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
/// bit. A terminal shows the progress. Throws Stopped after a signal, and InputError naming the
/// set's classes that the model does not have, or if a model without names has another number of
/// classes.
Evaluation evaluate(const Classifier& classifier, const ImageDataset& dataset, int64_t batch_size,
                    Arena& arena, bool show_progress = true);

/// Opens a data set to score, split as in training. `skip_bad` is that of DataOptions.
DataSplits open_to_score(const std::string& spec, const Classifier& classifier, int64_t skip_bad);

/// For report.html: W of the blocks, and of the `dataset` that `evaluation` is of, if it has
/// images, confusions, mistakes and samples.
void add_evaluation(Json& run, const Classifier& classifier, const ImageDataset& dataset,
                    const Evaluation& evaluation);

}  // namespace gmlp
