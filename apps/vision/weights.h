#pragma once
// Weights from files into models: a checkpoint to evaluate, or a start for --init.

#include <memory>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "data/vision/dataset.h"
#include "data/vision/transform.h"
#include "models/vision.h"

namespace gmlp {

/// A model as a checkpoint folder holds it, ready to predict.
struct LoadedModel {
  std::unique_ptr<VisionModel> model;
  std::vector<std::string> label_names;  // empty when the checkpoint has none
  TransformOptions transform;            // size, channels, crop and normalisation of evaluation
  DataOptions split;                     // how training split and shrank a set of files
};

/// Opens, verifies (checksums) and loads. Throws InputError naming the file, and the tensor.
LoadedModel load_model(const std::string& folder);

/// --init: `path` is a checkpoint folder or a safetensors file; a head of another number of classes
/// starts anew. Returns lines for the log.
std::vector<std::string> initialise_from(VisionModel& model, const std::string& path);

/// The "split" of config.json's "gmlp" object: evaluation must not meet images that were trained
/// on.
std::string split_json(const DataOptions& options);

/// And back, of config.json's text, which is an object. Absent in a folder that timm wrote: the
/// defaults then, and photographs as they are (photo_side 0).
DataOptions stored_split(const std::string& text, const std::string& path);

/// config.json with the normalisation and crop of `transform` in its pretrained_cfg.
std::string add_preprocessing(const std::string& config_json, const TransformOptions& transform);

}  // namespace gmlp
