#pragma once
// Checkpoints as the vision app needs them: models/checkpoint's, with data/'s options.

#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "data/vision/dataset.h"
#include "data/vision/transform.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

/// A model as a checkpoint folder holds it, ready to predict.
struct LoadedModel : LoadedVisionModel {
  TransformOptions transform;  // how images become inputs
  DataOptions split;           // how training split and shrank a set of files
  ExecutionOptions execution;

  /// The name of class `c`; "class 3" if the checkpoint has none.
  std::string label(size_t c) const;
};

/// Opens, verifies (checksums) and loads. Throws InputError naming the file, and the tensor.
LoadedModel load_model(const std::string& folder);
/// The same as a subcommand's options say; also sets the number of threads.
LoadedModel load_model(const StoredModelOptions& options);

/// config.json: the model, how images become inputs ("pretrained_cfg", where timm looks for it) and
/// the "split", as evaluation must not meet images that were trained on.
std::string config_json(const VisionConfig& config, const std::vector<std::string>& label_names,
                        const TransformOptions& transform, const DataOptions& options);

/// The split in config.json's text, which is an object. Absent in a folder that timm wrote: the
/// defaults then, and photographs as they are (photo_side 0).
DataOptions stored_split(const std::string& text, const std::string& path);

/// --init: weights from a checkpoint folder or a safetensors file. They may be of other images and
/// classes: a head of another number of classes starts anew, and weights.cpp converts a
/// stem of other channels and the spatial weights of another number of patches. Returns lines for
/// the log.
std::vector<std::string> initialize_from(VisionModel& model, const std::string& path);

}  // namespace gmlp
