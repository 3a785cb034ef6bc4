// gmlp-language fill: the words that a masked model predicts for [MASK].

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/evaluate.h"
#include "apps/language/text_format.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

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

}  // namespace

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
  OpenedModel opened(options);
  const LoadedLanguage& loaded = opened.loaded;
  const Json json =
      report(texts[0], fill_masks(loaded, texts[0], topk, opened.execution, opened.arena),
             *loaded.tokenizer);
  if (!json_path.empty()) write_file_atomic(json_path, json_text(json));
  return kExitSuccess;
}

}  // namespace gmlp
