#pragma once
// Checkpoints ready to predict, their loss on text in nats per scored token, and their predictions.

#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "apps/language/model_choice.h"
#include "apps/train/task.h"
#include "core/arena.h"
#include "core/io/json.h"
#include "data/text/corpus.h"
#include "data/text/tokenizer.h"
#include "models/language.h"

namespace gmlp {

/// A checkpoint, opened by a subcommand's options; also sets the number of threads.
struct OpenedModel {
  explicit OpenedModel(const StoredModelOptions& options);

  LoadedLanguage loaded;
  ExecutionOptions execution;
  Arena arena;
};

constexpr const char* kMaskText = "[MASK]";

/// `samples` counts scored tokens, `metric` is the perplexity.
struct TextScore : EvalResult {
  double standard_error = 0;  // of the loss, from the spread of the batches; NaN for one batch
};

/// Batches of `tokens` with fixed windows and masks.
TextLoader validation_loader(const TokenRow& tokens, const Tokenizer& tokenizer,
                             const LanguageConfig& config, Objective objective);

/// Scores the first `max_batches` batches of the loader, 0 = all. Throws InputError if no token is
/// scored. A terminal shows the progress.
TextScore evaluate_text(LanguageModel& model, const TextLoader& loader, int64_t max_batches,
                        const ExecutionOptions& execution, Arena& arena, bool show_progress = true);

/// A causal model's loss in nats per token as bits per byte of the text of `tokens`. A masked model
/// does not encode the text that it sees, so its loss is no code length.
double bits_per_byte(double loss, const TokenRow& tokens);

/// "loss 1.2345 ± 0.0067, perplexity 3.44, 1.781 bits per byte", without an error that is NaN.
/// Warns if the tokenizer does not know most of the text.
std::string text_score_text(double loss, double error, const TokenRow& tokens, Objective objective);

struct Guess {
  int64_t id = 0;
  double probability = 0;
};

/// The logits of one window, a row of V per token.
std::vector<std::vector<double>> logits_of(LanguageModel& model, const std::vector<int64_t>& ids,
                                           const ExecutionOptions& execution, Arena& arena);
/// The most likely ids of the tokenizer except [MASK].
std::vector<Guess> best_guesses(const std::vector<double>& logits, const Tokenizer& tokenizer,
                                int64_t topk);

/// For each [MASK] in `text`, the `topk` most likely ids in descending order. Throws InputError if
/// there is no [MASK], if the text is longer than the model's window, or if the model is causal.
std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk, const ExecutionOptions& execution,
                                           Arena& arena);

/// For report.html: W of the blocks, and if `val` is not empty, what the model makes of its text.
void add_text_samples(Json& run, LanguageModel& model, const Tokenizer& tokenizer,
                      Objective objective, const TokenRow& val);

}  // namespace gmlp
