#pragma once
// Models from checkpoint folders and weight files, ready to run. Every function throws InputError
// that names the file, and the tensor if one is at fault.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/io/safetensors.h"
#include "models/language.h"
#include "models/vision.h"

namespace gmlp {

struct LoadedVisionModel {
  std::unique_ptr<VisionModel> model;    // with prepacked weights
  std::vector<std::string> label_names;  // empty if the checkpoint has none
  std::string config;                    // config.json
};

struct LoadedLanguageModel {
  std::unique_ptr<LanguageModel> model;  // with prepacked weights
  std::string config;                    // config.json
};

/// Opens the folder, verifies its checksums, and loads the model.
LoadedVisionModel load_vision_model(const std::string& folder);
LoadedLanguageModel load_language_model(const std::string& folder);

/// The config.json of `model`, a folder or FILE.json; empty if it names a size.
std::string stored_config_path(const std::string& model);
/// The architecture that `model` names: a size, a folder with a config.json, or a FILE.json.
VisionConfig named_or_stored_config(const std::string& model);
LanguageConfig named_or_stored_language_config(const std::string& model);

/// What may differ between a file and a model, and what errors say.
struct WeightRules {
  std::string model;          // whose weights they should be
  std::string tokens_remedy;  // for spatial weights of another number of tokens
  bool new_head = false;      // the file may have another head or none; the model's stays as it is
  /// Fills `into` from a tensor of another shape; returns whether it can.
  using Convert =
      std::function<bool(const std::string& name, const Tensor& stored, const Tensor& into)>;
  Convert convert = {};
};

/// Copies every tensor of `file` into the parameter of its name. Names and shapes must be the
/// model's own, except for what `rules` allow. Returns lines for the log. Throws InputError that
/// lists what is missing or left over.
std::vector<std::string> load_weights(const std::vector<Parameter*>& parameters,
                                      const SafetensorsFile& file, const WeightRules& rules);

/// --init: weights from a checkpoint folder or a safetensors file. A vision head of another number
/// of classes starts anew, a language model's head always. Returns lines for the log.
std::vector<std::string> initialize_from(VisionModel& model, const std::string& path,
                                         const WeightRules::Convert& convert);
std::vector<std::string> initialize_from(LanguageModel& model, const std::string& path);

/// How a stored model computes: an f64 one on the reference kernels, whatever `kernels` says.
ExecutionOptions stored_execution(DType dtype, const std::string& precision,
                                  const std::string& kernels);

/// Throws InputError if `execution` is in bf16, and a gMLP block has an odd width.
void require_precision(const ExecutionOptions& execution, Arch arch, const BlockConfig& block);

}  // namespace gmlp
