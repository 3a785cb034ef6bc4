#pragma once
// Language models from checkpoint folders and weight files, ready to run. Every function throws
// InputError that names the file, and the tensor if one is at fault.

#include <memory>
#include <string>
#include <vector>

#include "models/language.h"

namespace gmlp {

struct LoadedLanguageModel {
  std::unique_ptr<LanguageModel> model;  // with prepacked weights
  std::string config;                    // config.json
};

/// Opens, verifies the checksums, and loads.
LoadedLanguageModel load_language_model(const std::string& folder);

/// The architecture that `model` names: a size, a folder with a config.json, or a FILE.json.
LanguageConfig named_or_stored_language_config(const std::string& model);

/// --init: weights from a checkpoint folder or a safetensors file. Returns lines for the log.
std::vector<std::string> initialize_from(LanguageModel& model, const std::string& path);

/// Throws InputError if the model has no bf16: only gMLP blocks with even widths do.
void require_bf16_fits(const LanguageConfig& config);

}  // namespace gmlp
