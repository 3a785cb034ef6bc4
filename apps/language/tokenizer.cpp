// gmlp-language tokenizer train: text to a tokenizer's file; encode and decode: a line of text to a
// line of ids and back.

#include "data/text/tokenizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include <fmt/format.h>

#include "apps/cli/config_file.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/text_format.h"
#include "apps/train/metrics.h"
#include "core/error.h"
#include "core/io/file.h"
#include "data/text/utf8.h"

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
  add_config_option(app);
  app.add_option("--text", options.text, "UTF-8, plain or gzip'd")
      ->required()
      ->type_name("FILE...");
  app.add_option("--type", options.training.type, "sentencepiece, chars or bytes")
      ->required()
      ->check(CLI::IsMember({"sentencepiece", "chars", "bytes"}));
  CLI::Option* model_type =
      app.add_option("--model-type", options.training.model_type,
                     "sentencepiece: by unigram probabilities, or by merging frequent pairs (bpe)")
          ->check(CLI::IsMember({"unigram", "bpe"}))
          ->capture_default_str();
  app.add_option("--vocab-size", options.training.vocab,
                 "How many ids, special ones included; chars: at most, 0: all characters")
      ->check(integer_in(0, int64_t{1} << 24));
  app.add_option("--out", options.out, "The tokenizer's file")->required()->type_name("FILE");
  app.add_flag("--overwrite", options.overwrite, "Replace a file that is there");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  check(options);
  if (model_type->count() > 0 && options.training.type != "sentencepiece") {
    fail_input("--model-type: is for --type sentencepiece alone; leave it out");
  }

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

/// Calls `use` with each line of the file, or of standard input where `path` is empty, and what to
/// call it in an error.
void each_line(const std::string& path,
               const std::function<void(const std::string& line, const std::string& name)>& use) {
  std::ifstream file;
  if (!path.empty()) {
    if (std::filesystem::is_directory(path)) fail_input("{}: is a folder; name a file", path);
    file.open(path, std::ios::binary);
    if (!file) fail_input("{}: cannot be opened; check path and permissions", path);
  }
  std::istream& input = path.empty() ? std::cin : file;
  const std::string shown = path.empty() ? "standard input" : path;
  int64_t number = 0;
  for (std::string line; std::getline(input, line);) {
    use(line, fmt::format("{}, line {}", shown, ++number));
  }
  if (input.bad()) fail_input("{}: cannot be read; check the disk", shown);
}

int encode(const std::vector<std::string>& arguments) {
  std::string spec;
  std::string path;
  CLI::App app("Print a line of ids for each line of text", "gmlp-language tokenizer encode");
  add_config_option(app);
  app.add_option("--tokenizer", spec, "bytes, or a tokenizer's file")->required();
  app.add_option("--text", path, "UTF-8; standard input if not given")->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(spec);
  const bool any_bytes = std::string_view(tokenizer->kind()) == "bytes";
  each_line(path, [&](const std::string& line, const std::string& name) {
    if (!any_bytes) check_text(line, name);
    fmt::print("{}\n", fmt::join(tokenizer->encode_ids(line), " "));
  });
  return kExitSuccess;
}

/// The ids of one line, parted by spaces.
std::vector<int64_t> parse_ids(const std::string& line, const std::string& name, int64_t vocab) {
  std::vector<int64_t> ids;
  for (size_t begin = line.find_first_not_of(" \r"); begin != std::string::npos;) {
    const size_t end = std::min(line.find_first_of(" \r", begin), line.size());
    const char* last = line.data() + end;
    int64_t id = -1;
    const std::from_chars_result result = std::from_chars(line.data() + begin, last, id);
    if (result.ec != std::errc() || result.ptr != last || id < 0 || id >= vocab) {
      fail_input("{}: {} is no id; give whole numbers from 0 to {}", name,
                 printable(line.substr(begin, end - begin)), vocab - 1);
    }
    ids.push_back(id);
    begin = line.find_first_not_of(" \r", end);
  }
  return ids;
}

int decode(const std::vector<std::string>& arguments) {
  std::string spec;
  std::string path;
  CLI::App app("Print a line of text for each line of ids", "gmlp-language tokenizer decode");
  add_config_option(app);
  app.add_option("--tokenizer", spec, "bytes, or a tokenizer's file")->required();
  app.add_option("--ids", path, "Numbers, as encode prints them; standard input if not given")
      ->type_name("FILE");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(spec);
  each_line(path, [&](const std::string& line, const std::string& name) {
    fmt::print("{}\n", tokenizer->decode(parse_ids(line, name, tokenizer->vocab())));
  });
  return kExitSuccess;
}

}  // namespace

int language_tokenizer(const std::vector<std::string>& arguments) {
  const std::string word = arguments.empty() ? "" : arguments.front();
  if (word != "train" && word != "encode" && word != "decode") {
    fail_input(
        "tokenizer needs the word train, encode or decode: gmlp-language tokenizer train --text "
        "FILE ...");
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  return word == "train" ? train(rest) : word == "encode" ? encode(rest) : decode(rest);
}

}  // namespace gmlp
