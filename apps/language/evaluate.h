#pragma once
// Checkpoints ready to predict, their loss on text in nats per scored token, and their predictions.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "apps/train/task.h"
#include "core/arena.h"
#include "core/io/json.h"
#include "data/text/corpus.h"
#include "data/text/tokenizer.h"
#include "models/checkpoint/load_models.h"
#include "models/decoder.h"

namespace gmlp {

/// A model as a checkpoint folder holds it, ready to predict.
struct LoadedLanguage : LoadedLanguageModel {
  std::unique_ptr<Tokenizer> tokenizer;
  ExecutionOptions execution;

  bool is_causal() const { return model->config().block.causal; }
};
/// Opens, verifies (checksums) and loads as a subcommand's options say; also sets the number of
/// threads. Throws InputError naming the file, and the tensor.
LoadedLanguage load_language(const StoredModelOptions& options);

constexpr const char* kMaskText = "[MASK]";

/// `samples` counts scored tokens, `metric` is the perplexity.
struct TextScore : EvalResult {
  double standard_error = 0;  // of the loss, from the spread of the batches; NaN for one batch
};

/// Batches for validation, whose masks depend on their size: it is the same for all runs.
constexpr TextBatchOptions kValidation = {
    .batch_size = 16, .train = false, .shuffle = false, .special = {}};
/// Windows of `tokens` as `config` needs them, which decides the other members of `batches`.
TextLoader text_loader(const TokenRow& tokens, const Tokenizer& tokenizer,
                       const LanguageConfig& config, TextBatchOptions batches = kValidation);

/// Scores the first `max_batches` batches of the loader, 0 = all. Throws InputError if no token is
/// scored. A terminal shows the progress.
TextScore evaluate_text(LanguageModel& model, const TextLoader& loader, int64_t max_batches,
                        const ExecutionOptions& execution, Arena& arena, bool show_progress = true);

/// A causal model's loss in nats per token as bits per byte of the text of `tokens`. A masked model
/// does not encode the text that it sees, so its loss is no code length.
double bits_per_byte(double loss, const TokenRow& tokens);

/// Continues `prompt` by up to `most` tokens, none of them special, and calls `use` with their text
/// in whole characters. A stop signal ends it early. Returns the number of tokens.
int64_t write_text(const LanguageModel& model, const Tokenizer& tokenizer,
                   const std::vector<int64_t>& prompt, const SamplingOptions& sampling,
                   int64_t most, const std::function<void(const std::string&)>& use);

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
                                           int64_t topk);

/// For report.html: W of the blocks, and if `val` is not empty, what the model makes of its text.
void add_text_samples(Json& run, LanguageModel& model, const Tokenizer& tokenizer,
                      const TokenRow& val);

}  // namespace gmlp
