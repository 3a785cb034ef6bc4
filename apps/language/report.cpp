// gmlp-language report, and what report.html shows of a language model and its validation text.

#include "apps/report/report.h"

#include <nlohmann/json.hpp>

#include "apps/cli/run_main.h"
#include "apps/language/evaluate.h"
#include "apps/language/options.h"
#include "apps/language/text_format.h"
#include "apps/train/pictures.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

/// The tokens of a window of text, the gates of every block, and for each masked or replaced token
/// what it was and what the model predicts.
Json window_of(LanguageModel& model, const Tokenizer& tokenizer, const TextBatch& batch) {
  const BlockConfig& block = model.config().block;
  const std::vector<int64_t> ids(batch.ids.begin(), batch.ids.begin() + block.tokens);
  Arena arena;
  const std::vector<std::vector<double>> logits = logits_of(model, ids, {}, arena);
  Tape tape(arena, Backend::kReference, false);
  model.forward(tape, ids, 1);
  Json window = {{"gates", inspect_gates(tape, block)}};
  for (size_t i = 0; i < ids.size(); ++i) {
    window["tokens"].push_back(piece_text(tokenizer, ids[i]));
    if (batch.targets[i] < 0 || block.causal) continue;
    Json guesses = Json::array();
    for (const auto& [id, probability] : best_guesses(logits[i], tokenizer, 5)) {
      guesses.push_back({word_text(tokenizer, id), probability});
    }
    const std::string target = word_text(tokenizer, batch.targets[i]);
    window["masks"].push_back({{"at", i}, {"target", target}, {"guesses", guesses}});
  }
  return window;
}

/// Of the run's last weights, on its validation text.
void evaluate_run(Json& run) {
  const std::string folder = run.at("folder");
  const LoadedLanguage loaded =
      load_language({.model = folder + "/checkpoints/last", .threads = thread_count()});
  // First what needs no text: it may be gone.
  add_text_samples(run, *loaded.model, *loaded.tokenizer, {});
  if (loaded.model->config().head != LanguageHead::kNone) return;  // finetuned
  const PretrainOptions options = parse_pretrain({"--config", folder + "/config.toml"});
  BadRows bad{.allowed = options.skip_bad};
  const TextSplits data = open_corpus(options.text, options.val_text, *loaded.tokenizer,
                                      {options.val_fraction, &bad, throw_if_stopped});
  add_text_samples(run, *loaded.model, *loaded.tokenizer, data.val);
}

}  // namespace

void add_text_samples(Json& run, LanguageModel& model, const Tokenizer& tokenizer,
                      const TokenRow& val) {
  const BlockConfig& block = model.config().block;
  run["inspector"] = inspect_weights(spatial_weights(model.parameters(), block), 1, block.tokens);
  if (val.size() == 0) return;
  const TextLoader loader = text_loader(val, tokenizer, model.config());
  for (const int64_t i : spread_indices(loader.batches_per_epoch(), 4)) {
    run["inspector"]["samples"].push_back(window_of(model, tokenizer, loader.batch(0, i)));
  }
}

int language_report(const std::vector<std::string>& arguments) {
  return run_report("gmlp-language", arguments, evaluate_run);
}

}  // namespace gmlp
