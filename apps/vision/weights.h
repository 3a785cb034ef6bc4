#pragma once
// Checkpoints as the vision app needs them: models/checkpoint's, with data/'s options.

#include <string>

#include "data/vision/dataset.h"
#include "data/vision/transform.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

/// A model as a checkpoint folder holds it, ready to predict.
struct LoadedModel : LoadedVisionModel {
  TransformOptions transform;  // `preprocessing`, for data/
  DataOptions split;           // how training split and shrank a set of files
};

/// Opens, verifies (checksums) and loads. Throws InputError naming the file, and the tensor.
LoadedModel load_model(const std::string& folder);

Preprocessing preprocessing_of(const TransformOptions& transform);

/// The "split" of config.json's "gmlp" object: evaluation must not meet images that were trained
/// on.
std::string split_json(const DataOptions& options);

/// And back, of config.json's text, which is an object. Absent in a folder that timm wrote: the
/// defaults then, and photographs as they are (photo_side 0).
DataOptions stored_split(const std::string& text, const std::string& path);

}  // namespace gmlp
