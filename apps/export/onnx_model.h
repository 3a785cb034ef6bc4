#pragma once
// Vision and language models as ONNX graphs. Their nodes are in graph.txt.

#include <map>
#include <string>
#include <vector>

#include "models/language.h"
#include "models/vision.h"

namespace gmlp {

/// Keys and values of the file's metadata_props.
using OnnxMetadata = std::map<std::string, std::string>;

/// A file's bytes, for any batch size. Needs three times the weights' memory. Throws InputError for
/// Transformers with relative positions, and for weights beyond protobuf's limit of 2 GiB.
///   vision     images (batch, C, H, W), float32 as for predict -> logits (batch, C)
///   language   ids (batch, N), int64 -> logits (batch, N, V), or those of the model's head
std::string onnx_model(const VisionModel& model, const OnnxMetadata& metadata);
std::string onnx_model(const LanguageModel& model, const OnnxMetadata& metadata);

/// The language logits' shape, with -1 for the batch.
std::vector<int64_t> onnx_logits_shape(const LanguageConfig& config);

/// {0: 'cat', 1: 'dog'}, a Python literal: the form in which YOLO's exporters store "names", and
/// which programs that look for class names in ONNX files parse.
std::string onnx_names(const std::vector<std::string>& names);

}  // namespace gmlp
