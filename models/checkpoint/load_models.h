#pragma once
// Models from checkpoint folders and weight files, ready to run. Every function throws InputError
// that names the file, and the tensor if one is at fault.

#include <memory>
#include <string>
#include <vector>

#include "models/language.h"
#include "models/vision.h"

namespace gmlp {

/// How an image becomes a model's input, as "pretrained_cfg" of config.json has it: timm's resize
/// and central crop of `crop_fraction`, then (x - mean) / std per channel.
struct Preprocessing {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;
  std::vector<double> mean;  // one value for all channels, or one per channel
  std::vector<double> std;
  double crop_fraction = 0.875;
};

struct LoadedVisionModel {
  std::unique_ptr<VisionModel> model;    // with prepacked weights
  std::vector<std::string> label_names;  // empty if the checkpoint has none
  Preprocessing preprocessing;
  std::string config;  // config.json
};

struct LoadedLanguageModel {
  std::unique_ptr<LanguageModel> model;  // with prepacked weights
  std::string config;                    // config.json
};

/// Opens the folder, verifies its checksums, and loads the model.
LoadedVisionModel load_vision_model(const std::string& folder);
LoadedLanguageModel load_language_model(const std::string& folder);

/// The architecture that `model` names: a size, a folder with a config.json, or a FILE.json.
VisionConfig named_or_stored_config(const std::string& model);
LanguageConfig named_or_stored_language_config(const std::string& model);

/// --init: weights from a checkpoint folder or a safetensors file. A vision head of another number
/// of classes starts anew. Returns lines for the log.
std::vector<std::string> initialize_from(VisionModel& model, const std::string& path);
std::vector<std::string> initialize_from(LanguageModel& model, const std::string& path);

/// config.json with `preprocessing` in its pretrained_cfg.
std::string add_preprocessing(const std::string& config_json, const Preprocessing& preprocessing);

/// Throws InputError if the model has no bf16: only gMLP blocks with even widths do.
void require_bf16_fits(const LanguageConfig& config);

}  // namespace gmlp
