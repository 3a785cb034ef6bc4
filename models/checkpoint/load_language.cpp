#include "models/checkpoint/load_language.h"

#include "core/error.h"
#include "core/io/file.h"
#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/weight_files.h"

namespace gmlp {

namespace {

WeightRules rules_for(const LanguageConfig& config) {
  return {.model = config.name,
          .tokens_remedy =
              "(length of a window); only Toeplitz gates can be cut, to a shorter one; use the "
              "--seq-len that they were trained with",
          .longer_window = true};
}

}  // namespace

LoadedLanguageModel load_language_model(const std::string& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  const std::string path = config_path(folder);
  const LanguageConfig config = language_config_from_json(checkpoint.config, path);
  return {load_model<LanguageModel>(config, checkpoint, path, rules_for(config)),
          checkpoint.config};
}

LanguageConfig named_or_stored_language_config(const std::string& model) {
  const std::string path = stored_config_path(model);
  return path.empty() ? language_config(model) : language_config_from_json(read_text(path), path);
}

std::vector<std::string> initialize_from(LanguageModel& model, const std::string& path) {
  return load_weights(model.parameters(), open_weights(path), rules_for(model.config()));
}

void require_bf16_fits(const LanguageConfig& config) {
  if (config.arch != Arch::kGmlp) {
    fail_input("--precision bf16: only gMLP's blocks have it, the model's are {}; use f32",
               arch_name(config.arch));
  }
  require_bf16_fits(config.block);
}

}  // namespace gmlp
