#pragma once
// The loss of a language model on text, in nats per scored token, and its predictions.

#include <string>
#include <vector>

#include "apps/language/model_choice.h"
#include "apps/train/task.h"
#include "core/arena.h"
#include "data/text/corpus.h"
#include "data/text/text_loader.h"
#include "data/text/tokenizer.h"
#include "models/language.h"

namespace gmlp {

/// Windows per validation batch. The masks depend on the batch, so all runs use the same size.
constexpr int64_t kValidationBatch = 16;

constexpr const char* kMask = "[MASK]";

/// `samples` counts scored tokens, `metric` is the perplexity.
struct TextScore : EvalResult {
  double standard_error = 0;  // of the loss, from the spread of the batches; NaN for one batch
  double bits_per_byte = 0;   // loss / ln 2 * tokens per byte of text
  double perplexity = 0;      // exp(loss)
};

/// Batches of `tokens` with fixed windows and masks.
TextLoader validation_loader(const TokenRow& tokens, const Tokenizer& tokenizer,
                             const LanguageConfig& config, Objective objective);

/// Scores the first `max_batches` batches of the loader, 0 = all. `tokens` is the loader's text.
/// Throws InputError if no token is scored.
TextScore evaluate_text(LanguageModel& model, const TextLoader& loader, const TokenRow& tokens,
                        int64_t max_batches, const ExecutionOptions& execution, Arena& arena);

/// A loss in nats per token as bits per byte of the text of `tokens`.
double bits_per_byte(double loss, const TokenRow& tokens);

/// "loss 1.2345 ± 0.0067, perplexity 3.44, 1.781 bits per byte"
std::string text_score_text(const TextScore& score);

struct Guess {
  int64_t id = 0;
  double probability = 0;
};

/// For each [MASK] in `text`, the `topk` most likely ids in descending order. Throws InputError if
/// there is no [MASK], if the text is longer than the model's window, or if the model is causal.
std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk, const ExecutionOptions& execution,
                                           Arena& arena);

/// The most likely id at each position of one window of ids.
std::vector<int64_t> likeliest_ids(LanguageModel& model, const std::vector<int64_t>& ids,
                                   const ExecutionOptions& execution, Arena& arena);

}  // namespace gmlp
