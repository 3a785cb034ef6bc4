#pragma once
// Weights from a safetensors file into a model's parameters, by name.

#include <memory>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "core/io/safetensors.h"
#include "models/checkpoint/checkpoint.h"
#include "models/gmlp_block.h"

namespace gmlp {

/// What may differ between a file and a model, and what errors say.
struct WeightRules {
  std::string model;           // whose weights they should be
  std::string tokens_remedy;   // for spatial weights of another number of tokens
  bool other_head = false;     // a head.* of another shape stays the model's own
  bool new_head = false;       // as other_head, and the file may have another head or none
  bool longer_window = false;  // the file's Toeplitz gates may be of more tokens; see load_weights
};

/// Copies every tensor of `file` into the parameter of its name. Names and shapes must be the
/// model's own, except for what `rules` allow. Returns lines for the log. Throws InputError that
/// lists what is missing or left over. A Toeplitz gate of M tokens serves a window of N < M: its
/// distances -(N - 1) to N - 1 are the middle of the 2 M - 1 weights, its first N biases those of
/// the first N tokens.
std::vector<std::string> load_weights(const std::vector<Parameter*>& parameters,
                                      const SafetensorsFile& file, const WeightRules& rules);

/// Throws InputError if `path`, the config.json beside `file`, describes a model out of all
/// proportion to the file, before a model of that size is allocated: more than 64 MB and twice the
/// file. load_weights reports smaller differences more exactly.
void require_in_proportion(int64_t parameters, const SafetensorsFile& file,
                           const std::string& path);

/// The dtype of a model stored in `file`: f64 if a tensor is, else f32.
DType stored_dtype(const SafetensorsFile& file);

/// The weights in a checkpoint folder, verified, or in a safetensors file.
SafetensorsFile open_weights(const std::string& path);

/// The config.json of `model`, a folder or FILE.json; empty if it names a size.
std::string stored_config_path(const std::string& model);

/// How a stored model computes: an f64 one on the reference kernels, whatever `kernels` says.
ExecutionOptions stored_execution(DType dtype, const std::string& precision,
                                  const std::string& kernels);

/// Throws InputError if a width is odd: bf16 kernels load numbers in pairs.
void require_bf16_fits(const BlockConfig& block);

/// The model of `config`, which is in `path`, with the checkpoint's weights, prepacked.
template <typename Model, typename Config>
std::unique_ptr<Model> load_model(const Config& config, const Checkpoint& checkpoint,
                                  const std::string& path, const WeightRules& rules) {
  require_in_proportion(config.parameter_count(), checkpoint.model, path);
  auto model = std::make_unique<Model>(config, stored_dtype(checkpoint.model), 0);
  load_weights(model->parameters(), checkpoint.model, rules);
  model->prepack_weights();
  return model;
}

}  // namespace gmlp
