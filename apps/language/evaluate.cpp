#include "apps/language/evaluate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/cli/signals.h"
#include "core/error.h"

namespace gmlp {

namespace {

struct BatchLoss {
  double tokens = 0;
  double loss = 0;  // mean over the tokens
};

/// Standard error of the ratio estimator: both the losses and the counts of tokens vary by batch.
double standard_error_of(const std::vector<BatchLoss>& batches, double mean, double tokens) {
  const double n = static_cast<double>(batches.size());
  if (n < 2) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const BatchLoss& batch : batches) {
    const double deviation = batch.tokens * (batch.loss - mean);
    sum += deviation * deviation;
  }
  return std::sqrt(sum * n / (n - 1)) / tokens;
}

}  // namespace

TextLoader validation_loader(const TokenRow& tokens, const Tokenizer& tokenizer,
                             const LanguageConfig& config, Objective objective) {
  TextBatchOptions options;
  options.objective = objective;
  options.tokens = config.block.tokens;
  options.batch_size = kValidationBatch;
  options.train = false;
  options.shuffle = false;
  options.special = tokenizer.special();
  options.vocab = tokenizer.vocab();
  return {tokens, options};
}

TextScore evaluate_text(LanguageModel& model, const TextLoader& loader, const TokenRow& tokens,
                        int64_t max_batches, const ExecutionOptions& execution, Arena& arena) {
  int64_t count = loader.batches_per_epoch();
  if (max_batches > 0) count = std::min(count, max_batches);
  TextScore score;
  std::vector<BatchLoss> batches;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (stop_signal() != 0) return score;
    const TextBatch batch = loader.batch(0, i);
    const int64_t scored = std::count_if(batch.targets.begin(), batch.targets.end(),
                                         [](int64_t target) { return target >= 0; });
    if (scored == 0) continue;
    arena.reset();
    Tape tape(arena, execution, false);
    const Var loss = model.loss(tape, batch.ids, batch.targets, batch.batch, 1.0);
    batches.push_back({static_cast<double>(scored), tape.value(loss).at(0)});
    sum += batches.back().tokens * batches.back().loss;
    score.samples += scored;
  }
  if (score.samples == 0) {
    fail_input("none of the {} validation tokens is scored; use more text", tokens.size());
  }
  const double scored = static_cast<double>(score.samples);
  score.loss = sum / scored;
  score.standard_error = standard_error_of(batches, score.loss, scored);
  score.perplexity = std::exp(score.loss);
  score.metric = score.perplexity;
  score.bits_per_byte = bits_per_byte(score.loss, tokens);
  score.complete = true;
  return score;
}

double bits_per_byte(double loss, const TokenRow& tokens) {
  const double bytes = static_cast<double>(std::max<int64_t>(tokens.text_bytes(), 1));
  return loss / std::log(2.0) * static_cast<double>(tokens.size()) / bytes;
}

std::string text_score_text(const TextScore& score) {
  const std::string error =
      std::isfinite(score.standard_error) ? fmt::format(" ± {:.4f}", score.standard_error) : "";
  return fmt::format("loss {:.4f}{}, perplexity {:.2f}, {:.3f} bits per byte", score.loss, error,
                     score.perplexity, score.bits_per_byte);
}

}  // namespace gmlp
