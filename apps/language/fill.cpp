// gmlp-language fill: the words that a masked model puts in place of [MASK].

#include "apps/language/fill.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/text_format.h"
#include "apps/train/options.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/parallel.h"
#include "core/softmax.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

/// The ids of the text, and again from its beginning until the window is full: a model that was
/// pretrained on running text has never seen padding.
std::vector<int64_t> window_of(const std::vector<Piece>& pieces, int64_t tokens) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < tokens; ++i) {
    ids.push_back(pieces[static_cast<size_t>(i) % pieces.size()].id);
  }
  return ids;
}

/// The likeliest of row `row` among the tokenizer's ids; [MASK] itself is no answer.
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

void report(const std::string& text, const std::vector<std::vector<Guess>>& masks,
            const Tokenizer& tokenizer, const std::string& json_path) {
  Json json = {{"text", text}, {"masks", Json::array()}};
  for (size_t m = 0; m < masks.size(); ++m) {
    if (masks.size() > 1) fmt::print("[MASK] {}\n", m + 1);
    Json words = Json::array();
    for (const Guess& guess : masks[m]) {
      const std::string word = word_text(tokenizer, guess.id);
      fmt::print("  {:6.2f} %  {}\n", 100 * guess.probability, word);
      words.push_back({{"id", guess.id}, {"word", word}, {"probability", guess.probability}});
    }
    json["masks"].push_back(std::move(words));
  }
  // Of several each was guessed without the others: together they need not be a sentence.
  std::string filled = text;
  for (const std::vector<Guess>& guesses : masks) {
    const std::string word = one_line(piece_text(tokenizer, guesses.front().id));
    const size_t at = filled.find("[MASK]");
    const bool spaced = word.size() > 1 && word.front() == ' ';
    filled.replace(at, 6, spaced ? word.substr(1) : word);
  }
  fmt::print("{}\n", filled);
  json["filled"] = filled;
  if (json_path.empty()) return;
  write_file_atomic(json_path, json_text(json));
}

}  // namespace

std::vector<std::vector<Guess>> fill_masks(const LoadedLanguage& loaded, const std::string& text,
                                           int64_t topk, const ExecutionOptions& execution,
                                           Arena& arena) {
  const Tokenizer& tokenizer = *loaded.tokenizer;
  if (loaded.objective != Objective::kMasked) {
    fail_input(
        "fill: the model is causal, it never saw a [MASK]; use generate, or a model of "
        "pretrain --objective mlm");
  }
  if (text.find("[MASK]") == std::string::npos) {
    fail_input("fill: the text has no [MASK]; write it where a word is to be found");
  }
  const std::vector<Piece> pieces = encode_with_mask(tokenizer, text);
  const int64_t tokens = loaded.model->config().block.tokens;
  if (static_cast<int64_t>(pieces.size()) > tokens) {
    fail_input("fill: the text has {} tokens, the model's window {}; shorten it", pieces.size(),
               tokens);
  }
  arena.reset();
  Tape tape(arena, execution, false);
  const Tensor logits = tape.value(loaded.model->forward(tape, window_of(pieces, tokens), 1));
  std::vector<std::vector<Guess>> masks;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].id != tokenizer.special().mask) continue;
    masks.push_back(best_guesses(logits, static_cast<int64_t>(i), tokenizer, topk));
  }
  return masks;
}

std::vector<int64_t> likeliest_ids(LanguageModel& model, const std::vector<int64_t>& ids,
                                   const ExecutionOptions& execution, Arena& arena) {
  arena.reset();
  Tape tape(arena, execution, false);
  const Tensor logits = tape.value(model.forward(tape, ids, 1));
  const int64_t vocab = logits.shape().cols();
  std::vector<int64_t> best;
  for (int64_t row = 0; row < static_cast<int64_t>(ids.size()); ++row) {
    int64_t highest = 0;
    for (int64_t id = 1; id < vocab; ++id) {
      if (logits.at(row * vocab + id) > logits.at(row * vocab + highest)) highest = id;
    }
    best.push_back(highest);
  }
  return best;
}

int language_fill(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  std::vector<std::string> words;
  int64_t topk = 5;
  std::string json;
  CLI::App app("Fill in [MASK]", "gmlp-language fill");
  add_stored_model_options(app, options);
  app.add_option("TEXT", words, "A text with [MASK] in it")->required();
  app.add_option("--topk", topk, "How many words a [MASK]")->check(integer_in(1, int64_t{1} << 24));
  app.add_option("--json", json, "Write the result to FILE, too")->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  set_thread_count(resolve_threads(options.threads));
  if (words.size() != 1) {
    fail_input("fill takes one text, and {} were given; put it in quotes", words.size());
  }
  const LoadedLanguage loaded = load_language(options.model);
  const ExecutionOptions execution =
      stored_language_execution(*loaded.model, options.precision, options.kernels);
  Arena arena;
  report(words.front(), fill_masks(loaded, words.front(), topk, execution, arena),
         *loaded.tokenizer, json);
  return kExitSuccess;
}

}  // namespace gmlp
