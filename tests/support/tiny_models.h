#pragma once
// Folders with the smallest models that predict reads: no training.json, any random weights.

#include "core/io/safetensors.h"
#include "models/language.h"
#include "models/vision.h"
#include "tests/support/temporary_folder.h"

namespace gmlp::test {

template <class Model, class Config>
void write_weights(const TemporaryFolder& folder, const Config& config) {
  const Model model(config, DType::kF32, 1);
  std::vector<NamedTensor> tensors;
  for (const Parameter* parameter : model.parameters()) {
    tensors.push_back({parameter->name, parameter->value});
  }
  folder.write("model.safetensors", to_safetensors(tensors, {}));
}

/// Images of 4 x 4 pixels and three classes.
inline VisionConfig tiny_vision() {
  return {.name = "tiny",
          .img_height = 4,
          .img_width = 4,
          .patch = 2,
          .classes = 3,
          .depth = 1,
          .d_model = 4,
          .d_ffn = 8};
}

/// Four tokens of a vocabulary of two.
inline LanguageConfig tiny_language() {
  LanguageConfig config{.name = "tiny", .vocab = 2, .depth = 1};
  config.block.tokens = config.block.d_model = 4;
  config.block.d_ffn = 8;
  config.block.causal = true;
  return config;
}

}  // namespace gmlp::test
