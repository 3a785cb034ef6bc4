#pragma once
// A vision gMLP as an ONNX graph.

#include <string>

#include "models/vision.h"

namespace gmlp {

/// The file's bytes: input `images` (batch, C, H, W), prepared as for predict; output `logits`
/// (batch, classes); all in float32. `config_json` goes with it under the metadata key
/// "config.json": class names, size, mean and std. Takes three times the weights' memory.
std::string onnx_model(const VisionModel& model, const std::string& config_json);

/// Throws InputError where the weights do not fit into a protobuf message, which ends at 2 GiB.
void require_onnx_fits(const VisionConfig& config);

}  // namespace gmlp
