// gmlp-language tokenizer train: text to a tokenizer's file.

#include "data/text/tokenizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "apps/language/commands.h"
#include "apps/language/shown_text.h"
#include "apps/training/main_guard.h"
#include "apps/training/metrics.h"
#include "core/error.h"
#include "core/file.h"

namespace gmlp {

namespace {

constexpr int64_t kPiecesShown = 40;

struct TokenizerOptions {
  std::vector<std::string> text;
  TokenizerTraining training;
  std::string out;
  bool overwrite = false;
};

void check(const TokenizerOptions& options) {
  const std::string extension = options.training.type == "sentencepiece" ? ".model" : ".json";
  if (!options.out.ends_with(extension)) {
    fail_input("--out {}: a tokenizer of type {} is kept in a file named *{}; name it so",
               options.out, options.training.type, extension);
  }
  if (std::filesystem::exists(options.out) && !options.overwrite) {
    fail_input("--out {}: is there already; choose another name, or replace it with --overwrite",
               options.out);
  }
  if (options.training.type == "sentencepiece" && options.training.vocab == 0) {
    fail_input("tokenizer train --type sentencepiece needs --vocab-size; for example 8000");
  }
}

/// Ids evenly spaced over the vocabulary: frequent pieces come first in it.
void show_pieces(const Tokenizer& tokenizer) {
  const int64_t shown = std::min(kPiecesShown, tokenizer.vocab());
  std::string line;
  for (int64_t i = 0; i < shown; ++i) {
    line += (i == 0 ? "" : "  ") + one_line(tokenizer.name(i * tokenizer.vocab() / shown));
  }
  fmt::print("pieces     {}\n", line);
}

int train(const std::vector<std::string>& arguments) {
  TokenizerOptions options;
  CLI::App app("Make a tokenizer from text", "gmlp-language tokenizer train");
  app.add_option("--text", options.text, "UTF-8, plain or gzip'd")
      ->required()
      ->type_name("FILE...");
  app.add_option("--type", options.training.type, "sentencepiece, chars or bytes")
      ->required()
      ->check(CLI::IsMember({"sentencepiece", "chars", "bytes"}));
  app.add_option("--vocab-size", options.training.vocab,
                 "How many ids, special ones included; chars: at most, 0: all characters")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 24));
  app.add_option("--out", options.out, "The tokenizer's file")->required()->type_name("FILE");
  app.add_flag("--overwrite", options.overwrite, "Replace a file that is there");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  check(options);

  write_file_atomic(options.out, train_tokenizer(options.text, options.training));
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(options.out);
  fmt::print("tokenizer  {}: {} ids, [MASK] is {}\n", tokenizer->kind(),
             grouped(tokenizer->vocab()), tokenizer->special().mask);
  show_pieces(*tokenizer);
  fmt::print("file       {}\n", options.out);
  fmt::print(
      "next       gmlp-language pretrain --tokenizer {} --text {} --objective mlm "
      "--model gmlp_lm_tiny\n",
      options.out, options.text.front());
  return kExitSuccess;
}

}  // namespace

int language_tokenizer(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments.front() != "train") {
    fail_input("tokenizer needs the word train: gmlp-language tokenizer train --text FILE ...");
  }
  return train({arguments.begin() + 1, arguments.end()});
}

}  // namespace gmlp
