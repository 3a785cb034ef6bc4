// What a language run says of itself: the banner, samples of the text, scores, and what the model
// can do by now.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/language/evaluate.h"
#include "apps/language/model_choice.h"
#include "apps/language/run.h"
#include "apps/language/text_format.h"
#include "apps/language/text_stream.h"
#include "models/generate.h"

namespace gmlp {

namespace {

constexpr int64_t kSamplesShown = 3;
constexpr size_t kPromptTokens = 16;  // of the sample that is written at each validation
constexpr int64_t kWrittenTokens = 64;

}  // namespace

std::vector<std::string> LanguageRun::banner() const {
  const BlockConfig& block = config.block;
  return {fmt::format("model    {} parameters, {} blocks of {}, {} tokens, d_model {}, d_ffn {}, "
                      "{:.3g} GFLOPs a sequence",
                      grouped(config.parameter_count()), config.depth, arch_name(config.arch),
                      block.tokens, block.d_model, block.d_ffn, identity.forward_flops / 1e9),
          fmt::format("data     {} training and {} validation tokens ({} and {} bytes), {} ids of "
                      "{}, objective {}",
                      grouped(data.train.size()), grouped(data.val.size()),
                      grouped(data.train.text_bytes()), grouped(data.val.text_bytes()),
                      grouped(config.vocab), tokenizer->kind(), objective_name(objective))};
}

void LanguageRun::show_samples() {
  // Of the very first batch that will be trained on.
  const int64_t index = batch_of_epoch(0);
  const TextBatch batch = loader->batch(epoch(), index);
  for (int64_t row = 0; row < std::min(kSamplesShown, batch.batch); ++row) {
    const std::string line = objective == Objective::kMasked
                                 ? masked_line(*tokenizer, batch, row, {})
                                 : plain_line(*tokenizer, batch, row);
    console->screen_only(fmt::format("sample   {}…\n", line));
  }
}

void LanguageRun::show_progress() {
  console->line(objective == Objective::kMasked ? "filled   " + filled_sample() + "…"
                                                : "written  " + written_sample());
}

std::string LanguageRun::written_sample() const {
  const TextBatch batch = val_loader->batch(0, 0);
  const size_t shown = std::min(kPromptTokens, static_cast<size_t>(config.block.tokens));
  const std::vector<int64_t> prompt(batch.ids.begin(),
                                    batch.ids.begin() + static_cast<int64_t>(shown));
  SamplingOptions sampling;
  sampling.seed = options.seed;
  Generator generator(*model, writable_ids(*tokenizer), prompt, sampling);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < kWrittenTokens; ++i) ids.push_back(generator.next());
  return fmt::format("{} | {}", one_line(tokenizer->decode(prompt)),
                     one_line(text_behind(*tokenizer, prompt, ids)));
}

std::string LanguageRun::filled_sample() {
  const TextBatch batch = val_loader->batch(0, 0);
  const std::vector<int64_t> window(batch.ids.begin(), batch.ids.begin() + config.block.tokens);
  const std::vector<int64_t> guesses = likeliest_ids(*model, window, execution, arena);
  return masked_line(*tokenizer, batch, 0, guesses);
}

std::string LanguageRun::score_text(const EvalResult&) const {
  return "val " + text_score_text(last_score_);
}

std::string LanguageRun::best_text() const {
  return fmt::format("val loss {:.4f}, perplexity {:.2f}, {:.3f} bits a byte", progress.best_loss,
                     std::exp(progress.best_loss), bits_per_byte(progress.best_loss, data.val));
}

nlohmann::ordered_json LanguageRun::best_summary() const {
  return {{"val_loss", progress.best_loss},
          {"val_perplexity", std::exp(progress.best_loss)},
          {"val_bits_per_byte", bits_per_byte(progress.best_loss, data.val)}};
}

nlohmann::ordered_json LanguageRun::final_summary() const {
  nlohmann::ordered_json json = {{"val_loss", last_score_.loss},
                                 {"val_perplexity", last_score_.perplexity},
                                 {"val_bits_per_byte", last_score_.bits_per_byte}};
  // Of one batch there is none, and JSON has no NaN.
  if (std::isfinite(last_score_.standard_error)) {
    json["val_loss_standard_error"] = last_score_.standard_error;
  }
  return json;
}

std::string LanguageRun::next_command(const std::string& checkpoint) const {
  if (objective == Objective::kCausal) {
    return fmt::format("gmlp-language generate --model {} --prompt TEXT", checkpoint);
  }
  return fmt::format("gmlp-language fill --model {} \"A text with a [MASK] in it.\"", checkpoint);
}

}  // namespace gmlp
