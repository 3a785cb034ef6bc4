// gmlp-language fill: the words that a masked model predicts for [MASK].

#include "apps/language/fill.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/text_format.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"
#include "core/softmax.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMask = "[MASK]";

/// The logits (N, V) of one window.
Tensor logits_of(LanguageModel& model, const std::vector<int64_t>& ids,
                 const ExecutionOptions& execution, Arena& arena) {
  arena.reset();
  Tape tape(arena, execution, false);
  return tape.value(model.forward(tape, ids, 1));
}

/// The most likely ids of the tokenizer at position `row`, except [MASK].
std::vector<Guess> best_guesses(const Tensor& logits, int64_t row, const Tokenizer& tokenizer,
                                int64_t topk) {
  const int64_t vocab = logits.shape().cols();
  std::vector<Guess> guesses;
  std::vector<double> p;
  for (int64_t id = 0; id < tokenizer.vocab(); ++id) {
    if (id == tokenizer.special().mask) continue;
    guesses.push_back({id, 0});
    p.push_back(logits.at(row * vocab + id));
  }
  softmax(p.data(), p.data(), static_cast<int64_t>(p.size()));
  for (size_t i = 0; i < p.size(); ++i) guesses[i].probability = p[i];
  std::stable_sort(guesses.begin(), guesses.end(),
                   [](const Guess& a, const Guess& b) { return a.probability > b.probability; });
  guesses.resize(std::min(guesses.size(), static_cast<size_t>(topk)));
  return guesses;
}

/// Prints the guesses of each mask and the completed text, and returns both as JSON.
Json report(const std::string& text, const std::vector<std::vector<Guess>>& masks,
            const Tokenizer& tokenizer) {
  Json json = {{"text", text}, {"masks", Json::array()}};
  std::string filled = text;
  for (size_t m = 0; m < masks.size(); ++m) {
    if (masks.size() > 1) fmt::print("{} {}\n", kMask, m + 1);
    Json words = Json::array();
    for (const auto& [id, probability] : masks[m]) {
      const std::string word = word_text(tokenizer, id);
      fmt::print("  {:6.2f} %  {}\n", 100 * probability, word);
      words.push_back({{"id", id}, {"word", word}, {"probability", probability}});
    }
    json["masks"].push_back(std::move(words));
    // Each mask is predicted independently, so the words need not form a sentence.
    std::string word = one_line(piece_text(tokenizer, masks[m].front().id));
    if (word.size() > 1 && word.front() == ' ') word.erase(0, 1);
    filled.replace(filled.find(kMask), std::string(kMask).size(), word);
  }
  fmt::print("{}\n", filled);
  json["filled"] = filled;
  return json;
}

}  // namespace

std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk, const ExecutionOptions& execution,
                                           Arena& arena) {
  const Tokenizer& tokenizer = *loaded.tokenizer;
  if (loaded.objective != Objective::kMasked) {
    fail_input(
        "fill: the model is causal and was not trained on [MASK]; use generate, or pretrain a "
        "model with --objective mlm");
  }
  if (text.find(kMask) == text.npos) {
    fail_input("fill: the text has no [MASK]; insert one where a word is to be predicted");
  }
  const std::vector<Piece> pieces = encode_with_mask(tokenizer, text);
  const size_t tokens = static_cast<size_t>(loaded.model->config().block.tokens);
  if (pieces.size() > tokens) {
    fail_input("fill: the text has {} tokens, but the model's window {}; shorten the text",
               pieces.size(), tokens);
  }
  // The text is repeated up to the window's end: pretraining on running text has no padding.
  std::vector<int64_t> ids;
  for (size_t i = 0; i < tokens; ++i) ids.push_back(pieces[i % pieces.size()].id);
  const Tensor logits = logits_of(*loaded.model, ids, execution, arena);
  std::vector<std::vector<Guess>> masks;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (ids[i] != tokenizer.special().mask) continue;
    masks.push_back(best_guesses(logits, static_cast<int64_t>(i), tokenizer, topk));
  }
  return masks;
}

std::vector<int64_t> likeliest_ids(LanguageModel& model, const std::vector<int64_t>& ids,
                                   const ExecutionOptions& execution, Arena& arena) {
  const Tensor logits = logits_of(model, ids, execution, arena);
  const int64_t vocab = logits.shape().cols();
  std::vector<int64_t> best;
  for (int64_t row = 0; row < static_cast<int64_t>(ids.size()); ++row) {
    int64_t top = 0;
    for (int64_t id = 1; id < vocab; ++id) {
      if (logits.at(row * vocab + id) > logits.at(row * vocab + top)) top = id;
    }
    best.push_back(top);
  }
  return best;
}

int language_fill(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  std::vector<std::string> texts;
  int64_t topk = 5;
  std::string json_path;
  CLI::App app("Predict the words at [MASK]", "gmlp-language fill");
  add_stored_model_options(app, options);
  app.add_option("TEXT", texts, "Text with at least one [MASK]")->type_name("")->required();
  app.add_option("--topk", topk, "Number of predictions per [MASK]")
      ->check(integer_in(1))
      ->capture_default_str();
  app.add_option("--json", json_path, "Also write the predictions to FILE")->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  if (texts.size() != 1) {
    fail_input("fill needs one text, not {}; put it in quotation marks", texts.size());
  }
  set_thread_count(resolve_threads(options.threads));

  const LoadedLanguage loaded = load_language(options.model);
  const ExecutionOptions execution =
      stored_language_execution(*loaded.model, options.precision, options.kernels);
  Arena arena;
  const Json json =
      report(texts[0], fill_masks(loaded, texts[0], topk, execution, arena), *loaded.tokenizer);
  if (!json_path.empty()) write_file_atomic(json_path, json_text(json));
  return kExitSuccess;
}

}  // namespace gmlp
