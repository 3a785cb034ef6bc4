#pragma once
// --model and its overrides; and models as checkpoint folders hold them.

#include <memory>
#include <string>
#include <vector>

#include "apps/language/options.h"
#include "data/text/corpus.h"
#include "data/text/tokenizer.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

Objective objective_from_name(const std::string& name);  ///< mlm or causal; or InputError
const char* objective_name(Objective objective);

/// The same with the overrides. Throws InputError naming the option, the reason and the remedy.
LanguageConfig choose_language_model(const LanguageModelOptions& options);

/// Makes `config` a model of this tokenizer's ids for this objective. Throws InputError, as where
/// the vocabulary is too small or a masked model's tokenizer has no [MASK].
void fit_to_tokenizer(LanguageConfig& config, const Tokenizer& tokenizer, Objective objective,
                      int64_t vocab_size);

/// A model as a checkpoint folder holds it, ready to predict.
struct LoadedLanguage : LoadedLanguageModel {
  std::unique_ptr<Tokenizer> tokenizer;
  Objective objective = Objective::kMasked;
};
/// Opens, verifies (checksums) and loads. Throws InputError naming the file, and the tensor.
LoadedLanguage load_language(const std::string& folder);

/// How the stored model is to compute.
ExecutionOptions stored_language_execution(const LanguageModel& model, const std::string& precision,
                                           const std::string& kernels);

/// --init: weights from a checkpoint folder, of the same tokenizer, or a safetensors file. Returns
/// lines for the log.
std::vector<std::string> initialise_language(LanguageModel& model, const Tokenizer& tokenizer,
                                             const std::string& path);

/// Throws InputError unless the folder's tokenizer is `tokenizer`, which came from `spec`.
void require_same_tokenizer(const std::string& folder, const Tokenizer& tokenizer,
                            const std::string& option);

}  // namespace gmlp
