#pragma once
// --model and its overrides; and models as checkpoint folders hold them.

#include <memory>
#include <string>

#include "apps/language/options.h"
#include "apps/train/task.h"
#include "core/error.h"
#include "data/text/corpus.h"
#include "data/text/tokenizer.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

inline const Choices<Objective> kObjectives{"--objective", "objective", {"mlm", "causal"}};

/// --model with its overrides. Throws InputError naming the option, the reason and the remedy.
LanguageConfig choose_language_model(const LanguageModelOptions& options);

/// Sets the vocabulary and the head of `config`. Throws InputError if --vocab-size is below the
/// tokenizer's, or if a masked model's tokenizer has no [MASK].
void fit_to_tokenizer(LanguageConfig& config, const Tokenizer& tokenizer, Objective objective,
                      int64_t vocab_size);

/// Describes the model, of which `scored_share` of the positions are scored.
void describe_language_model(const LanguageConfig& config, double scored_share, TaskInfo& info);

/// A model as a checkpoint folder holds it, ready to predict.
struct LoadedLanguage : LoadedLanguageModel {
  std::unique_ptr<Tokenizer> tokenizer;
  Objective objective = Objective::kMasked;
};
/// Opens, verifies (checksums) and loads. Throws InputError naming the file, and the tensor.
LoadedLanguage load_language(const std::string& folder);

/// Throws InputError unless the folder's tokenizer is `tokenizer`, the one that `option` names.
void require_same_tokenizer(const std::string& folder, const Tokenizer& tokenizer,
                            const std::string& option);

}  // namespace gmlp
