#pragma once
// The options of `gmlp-vision train` beside those of apps/train/options.h.

#include <optional>
#include <string>
#include <vector>

#include "apps/train/options.h"

namespace gmlp {

struct VisionOptions : TrainOptions {
  // Data.
  std::string data;  // open_dataset's SPEC
  double val_fraction = 0.2;
  int64_t max_train_samples = 0;  // 0: all
  int64_t skip_bad = 0;
  bool no_shuffle = false;
  int64_t workers = 1;
  // Model.
  std::string model;     // a name, a checkpoint folder or a FILE.json; the architecture only
  std::string init;      // a checkpoint folder or FILE.safetensors of initial weights
  int64_t img_size = 0;  // 0: the model's, here and below
  int64_t patch_size = 0;
  int64_t in_chans = 0;
  int64_t depth = 0;
  int64_t d_model = 0;
  int64_t d_ffn = 0;
  bool class_token = false;
  std::string gate;
  // Augmentation and regularisation.
  std::string aug = "light";
  bool no_flip = false;
  std::vector<double> scale, ratio;  // of the random crop; empty: by the image size
  std::string class_weights = "none";
  double smoothing = 0.1;
  double mixup = 0;
  double cutmix = 0;
  double mixup_switch_prob = 0.5;
  double drop_path = 0;
};

using TrainCommand = RunCommand<VisionOptions>;

/// The arguments after `train`; empty when help was printed. Throws InputError for wrong usage.
std::optional<TrainCommand> parse_train(const std::vector<std::string>& arguments);

}  // namespace gmlp
