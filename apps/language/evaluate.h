#pragma once
// A pass over text: the mean loss in nats a scored token, and what follows from it.

#include "apps/train/training_run.h"
#include "data/text/corpus.h"
#include "data/text/text_loader.h"
#include "data/text/tokenizer.h"
#include "models/language.h"

namespace gmlp {

/// Windows of a batch of every validation, whatever trains: masks are a function of the batch, and
/// must be the same for every run that is compared.
constexpr int64_t kValidationBatch = 16;

struct TextScore : EvalResult {  // samples: scored tokens
  double standard_error = 0;     // of the loss, from the spread of the batches; NaN for one batch
  double bits_per_byte = 0;      // of text: loss / ln 2 * tokens a byte
  double perplexity = 0;         // exp(loss)
};

/// Fixed windows, and fixed masks, of `tokens` for models of this config.
TextLoader validation_loader(const TokenRow& tokens, const Tokenizer& tokenizer,
                             const LanguageConfig& config, Objective objective);

/// The first `most` batches of the loader; 0: all. Throws InputError where they score no
/// token.
/// `tokens` are the loader's: for bits a byte.
TextScore evaluate_text(LanguageModel& model, const TextLoader& loader, const TokenRow& tokens,
                        int64_t most, const ExecutionOptions& execution, Arena& arena);

/// What a loss in nats a token is in bits a byte of the text of `tokens`.
double bits_per_byte(double loss, const TokenRow& tokens);

/// "loss 1.2345 ± 0.0067, perplexity 3.44, 1.781 bits a byte"
std::string text_score_text(const TextScore& score);

}  // namespace gmlp
