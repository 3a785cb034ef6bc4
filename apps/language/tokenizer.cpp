// gmlp-language tokenizer: train a tokenizer on text; encode lines of text as lines of ids, and
// decode them again.

#include "data/text/tokenizer.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "core/error.h"
#include "core/io/file.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

int train(const std::vector<std::string>& arguments) {
  std::vector<std::string> text;
  TokenizerTraining training;
  std::string out;
  bool overwrite = false;
  CLI::App app("Train a tokenizer on text", "gmlp-language tokenizer train");
  add_config_option(app);
  app.add_option("--text", text, "UTF-8 text, plain or gzipped")->required()->type_name("FILE...");
  app.add_option("--type", training.type, "Type of the tokenizer")
      ->required()
      ->check(CLI::IsMember({"sentencepiece", "chars", "bytes"}));
  CLI::Option* model_type =
      app.add_option("--model-type", training.model_type, "Algorithm of SentencePiece")
          ->check(CLI::IsMember({"unigram", "bpe"}))
          ->capture_default_str();
  app.add_option("--vocab-size", training.vocab,
                 "Number of ids, including special ones; for chars the maximum, 0 = no limit")
      ->check(integer_in(0, int64_t{1} << 24));
  app.add_option("--out", out, "Tokenizer file to write")->required()->type_name("FILE");
  app.add_flag("--overwrite", overwrite, "Replace an existing file");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  const bool sentencepiece = training.type == "sentencepiece";
  const char* extension = sentencepiece ? ".model" : ".json";
  if (!out.ends_with(extension)) {
    fail_input("--out {}: a tokenizer of type {} needs a file name that ends with {}", out,
               training.type, extension);
  }
  if (std::filesystem::exists(out) && !overwrite) {
    fail_input("--out {}: exists already; use another name, or replace it with --overwrite", out);
  }
  if (sentencepiece && training.vocab == 0) {
    fail_input("tokenizer train --type sentencepiece needs --vocab-size; for example 8000");
  }
  if (!sentencepiece && model_type->count() > 0) {
    fail_input("--model-type: applies only to --type sentencepiece; leave it out");
  }

  write_file_atomic(out, train_tokenizer(text, training));
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(out);
  fmt::print(
      "tokenizer  {}: {} ids, [MASK] is {}\n"
      "file       {}\n"
      "next       gmlp-language pretrain --tokenizer {} --text {} --objective mlm "
      "--model gmlp_lm_tiny\n",
      tokenizer->kind(), grouped(tokenizer->vocab()), tokenizer->special().mask, out, out,
      text.front());
  return kExitSuccess;
}

/// The ids on a line; `name` is the line's.
std::vector<int64_t> parse_ids(const std::string& line, const std::string& name, int64_t vocab) {
  std::vector<int64_t> ids;
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    const char* end = word.data() + word.size();
    const bool whole = std::from_chars(word.data(), end, ids.emplace_back(-1)).ptr == end;
    if (whole && ids.back() >= 0 && ids.back() < vocab) continue;
    fail_input("{}: {} is not an id; use whole numbers from 0 to {}", name, printable(word),
               vocab - 1);
  }
  return ids;
}

/// encode and decode: one line of output per line of input.
int convert(const std::vector<std::string>& arguments, bool encode) {
  std::string spec;
  std::string path;
  CLI::App app(encode ? "Encode lines of text as ids" : "Decode lines of ids to text",
               encode ? "gmlp-language tokenizer encode" : "gmlp-language tokenizer decode");
  add_config_option(app);
  app.add_option("--tokenizer", spec, "bytes, or a tokenizer file")
      ->required()
      ->type_name("FILE|bytes");
  app.add_option(encode ? "--text" : "--ids", path, "Input file (default standard input)")
      ->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(spec);
  const bool any_bytes = std::string_view(tokenizer->kind()) == "bytes";
  std::istringstream lines(path.empty() ? std::string(std::istreambuf_iterator<char>(std::cin), {})
                                        : read_text(path));
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string name =
        fmt::format("{}, line {}", path.empty() ? "standard input" : path, ++number);
    if (encode && !any_bytes) check_text(line, name);
    fmt::print("{}\n", encode ? fmt::format("{}", fmt::join(tokenizer->encode_ids(line), " "))
                              : tokenizer->decode(parse_ids(line, name, tokenizer->vocab())));
  }
  return kExitSuccess;
}

}  // namespace

int language_tokenizer(const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  if (name != "train" && name != "encode" && name != "decode") {
    fail_input(
        "tokenizer needs a subcommand: train, encode or decode; for example gmlp-language "
        "tokenizer train --help");
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  return name == "train" ? train(rest) : convert(rest, name == "encode");
}

}  // namespace gmlp
