// gmlp-language fill: the words that a masked model predicts for [MASK].
// gmlp-language generate: a causal model continues a prompt.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/evaluate.h"
#include "apps/language/text_format.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "models/decoder.h"

namespace gmlp {

namespace {

/// Prints the guesses of each mask and the completed text, and returns both as JSON.
Json report(const std::string& text, const std::vector<std::vector<Guess>>& masks,
            const Tokenizer& tokenizer) {
  Json json = {{"text", text}, {"masks", Json::array()}};
  std::string filled = text;
  for (size_t m = 0; m < masks.size(); ++m) {
    if (masks.size() > 1) fmt::print("{} {}\n", kMaskText, m + 1);
    Json words = Json::array();
    for (const auto& [id, probability] : masks[m]) {
      const std::string word = word_text(tokenizer, id);
      fmt::print("  {:6.2f} %  {}\n", 100 * probability, word);
      words.push_back({{"id", id}, {"word", word}, {"probability", probability}});
    }
    json["masks"].push_back(std::move(words));
    // Each mask is predicted independently, so the words need not form a sentence.
    std::string word = printable(piece_text(tokenizer, masks[m].front().id));
    if (word.size() > 1 && word.front() == ' ') word.erase(0, 1);
    filled.replace(filled.find(kMaskText), std::string(kMaskText).size(), word);
  }
  fmt::print("{}\n", filled);
  json["filled"] = filled;
  return json;
}

/// On a terminal without control characters, except ends of lines and tabs; else unchanged.
std::string shown(const std::string& text) {
  if (isatty(STDOUT_FILENO) == 0) return text;
  std::string safe;
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
    end = std::min(text.find_first_of("\n\t", begin), text.size());
    safe += printable(text.substr(begin, end - begin), text.npos) + text.substr(end, 1);
  }
  return safe;
}

void print_now(const std::string& text) {
  fmt::print("{}", text);
  std::fflush(stdout);
}

}  // namespace

int language_fill(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  std::vector<std::string> texts;
  int64_t topk = 5;
  std::string json_path;
  CLI::App app("Predict the words at [MASK]", "gmlp-language fill");
  add_stored_model_options(app, options);
  app.add_option("TEXT", texts, "Text with at least one [MASK]")->type_name("")->required();
  OptionGroup group(app, "Options");
  group.integer("--topk", topk, "Number of predictions per [MASK]", 1);
  group.text("--json", json_path, "FILE", "Also write the predictions to FILE");
  parse_arguments(app, arguments);
  refuse_if(texts.size() != 1, "fill needs one text, not {}; put it in quotation marks",
            texts.size());
  check_outputs({{"--json", json_path, ".json"}}, {}, options.model);
  OpenedModel opened(options);
  const LoadedLanguage& loaded = opened.loaded;
  const Json json =
      report(texts[0], fill_masks(loaded, texts[0], topk, opened.execution, opened.arena),
             *loaded.tokenizer);
  if (!json_path.empty()) write_file_atomic(json_path, json_text(json));
  return kExitSuccess;
}

int language_generate(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  SamplingOptions sampling;
  std::string prompt;
  int64_t max_tokens = 200;
  CLI::App app("Continue a prompt with a causal model", "gmlp-language generate");
  add_stored_model(app, options);
  OptionGroup group(app, "Options");
  app.option_defaults()->always_capture_default();
  group.text("--prompt", prompt, "TEXT", "Text to continue");
  group.integer("--max-tokens", max_tokens, "Number of tokens to generate", 1);
  group.number("--temperature", sampling.temperature,
               "Divisor of the logits, 0 = always the most likely token", 0, 1e6);
  group.integer("--top-k", sampling.top_k, "Sample from the K most likely tokens, 0 = from all");
  group.number("--top-p", sampling.top_p,
               "Sample from the most likely tokens whose probabilities add up to P", 0, 1);
  app.add_option("--seed", sampling.seed, "Seed of the sampling");
  parse_arguments(app, arguments);

  const OpenedModel opened(options);
  const LoadedLanguage& loaded = opened.loaded;
  refuse_if(
      loaded.objective != Objective::kCausal,
      "generate: the model predicts [MASK], not the next token; use fill, or pretrain a model "
      "with --objective causal");
  const std::vector<int64_t> ids = prompt_ids(*loaded.tokenizer, prompt);
  Generator generator(*loaded.model, writable_ids(*loaded.tokenizer), ids, sampling);
  TextStream stream(*loaded.tokenizer, ids);
  print_now(prompt);
  const Stopwatch watch;
  int64_t count = 0;
  for (; count < max_tokens && stop_signal() == 0; ++count) {
    print_now(shown(stream.push(generator.next())));
  }
  print_now(shown(stream.flush()) + "\n");
  fmt::print(stderr, "{} tokens, {:.0f} tokens/s\n", count,
             static_cast<double>(count) / watch.seconds());
  return stop_signal() != 0 ? 128 + stop_signal() : kExitSuccess;
}

}  // namespace gmlp
