#pragma once
// The subcommands of gmlp-vision. Each takes the arguments after its name, returns the exit status
// and throws InputError for wrong usage or input. train's arguments become VisionOptions first,
// which `ablate` and `report` use, too.

#include <string>
#include <vector>

#include "apps/train/trainer.h"
#include "data/vision/loader.h"
#include "models/vision.h"

namespace gmlp {

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
  // Augmentation and regularisation.
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

}  // namespace gmlp
