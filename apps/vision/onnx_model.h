#pragma once
// A vision gMLP as an ONNX graph.

#include <string>

#include "models/vision.h"

namespace gmlp {

/// The file's bytes: input `images` (batch, C, H, W), prepared as for predict, and output `logits`
/// (batch, classes), all float32. `config_json` is stored under the metadata key "config.json":
/// class names, size, mean and std. Needs three times the weights' memory.
std::string onnx_model(const VisionModel& model, const std::string& config_json);

/// Throws InputError if the weights exceed a protobuf message, whose limit is 2 GiB.
void require_onnx_fits(const VisionConfig& config);

}  // namespace gmlp
