// gmlp-language tokenizer: train a tokenizer on text; encode lines of text as lines of ids, and
// decode them again.

#include "data/text/tokenizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/config_file.h"
#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/text_format.h"
#include "core/error.h"
#include "core/io/file.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

constexpr int64_t kPiecesPrinted = 40;

void check_out(const std::string& out, const std::string& type, bool overwrite) {
  const std::string extension = type == "sentencepiece" ? ".model" : ".json";
  if (!out.ends_with(extension)) {
    fail_input("--out {}: a tokenizer of type {} needs a file name that ends with {}", out, type,
               extension);
  }
  if (std::filesystem::exists(out) && !overwrite) {
    fail_input("--out {}: exists already; use another name, or replace it with --overwrite", out);
  }
}

/// Ids evenly spaced over the vocabulary, which is sorted by frequency.
void print_pieces(const Tokenizer& tokenizer) {
  const int64_t count = std::min(kPiecesPrinted, tokenizer.vocab());
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    names.push_back(one_line(tokenizer.name(i * tokenizer.vocab() / count)));
  }
  fmt::print("pieces     {}\n", fmt::join(names, "  "));
}

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
  check_out(out, training.type, overwrite);
  const bool sentencepiece = training.type == "sentencepiece";
  if (sentencepiece && training.vocab == 0) {
    fail_input("tokenizer train --type sentencepiece needs --vocab-size; for example 8000");
  }
  if (!sentencepiece && model_type->count() > 0) {
    fail_input("--model-type: applies only to --type sentencepiece; leave it out");
  }

  write_file_atomic(out, train_tokenizer(text, training));
  const std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(out);
  fmt::print("tokenizer  {}: {} ids, [MASK] is {}\n", tokenizer->kind(),
             grouped(tokenizer->vocab()), tokenizer->special().mask);
  print_pieces(*tokenizer);
  fmt::print("file       {}\n", out);
  fmt::print(
      "next       gmlp-language pretrain --tokenizer {} --text {} --objective mlm "
      "--model gmlp_lm_tiny\n",
      out, text.front());
  return kExitSuccess;
}

/// Calls `use` with each line of the file, or of standard input if `path` is empty. `name` is the
/// line's name in errors.
void for_each_line(
    const std::string& path,
    const std::function<void(const std::string& line, const std::string& name)>& use) {
  std::ifstream file;
  if (!path.empty()) {
    if (std::filesystem::is_directory(path)) fail_input("{}: is a folder; name a file", path);
    file.open(path, std::ios::binary);
    if (!file) fail_input("{}: cannot be opened; check path and permissions", path);
  }
  std::istream& input = path.empty() ? std::cin : file;
  const std::string source = path.empty() ? "standard input" : path;
  int64_t number = 0;
  for (std::string line; std::getline(input, line);) {
    use(line, fmt::format("{}, line {}", source, ++number));
  }
  if (input.bad()) fail_input("{}: cannot be read; check the disk", source);
}

/// Ids separated by spaces.
std::vector<int64_t> parse_ids(const std::string& line, const std::string& name, int64_t vocab) {
  std::vector<int64_t> ids;
  for (size_t begin = line.find_first_not_of(" \r"); begin != line.npos;) {
    const size_t end = std::min(line.find_first_of(" \r", begin), line.size());
    const char* last = line.data() + end;
    int64_t id = -1;
    const auto [parsed, error] = std::from_chars(line.data() + begin, last, id);
    if (error != std::errc() || parsed != last || id < 0 || id >= vocab) {
      fail_input("{}: {} is not an id; use whole numbers from 0 to {}", name,
                 printable(line.substr(begin, end - begin)), vocab - 1);
    }
    ids.push_back(id);
    begin = line.find_first_not_of(" \r", end);
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
  for_each_line(path, [&](const std::string& line, const std::string& name) {
    if (encode && !any_bytes) check_text(line, name);
    if (encode) {
      fmt::print("{}\n", fmt::join(tokenizer->encode_ids(line), " "));
    } else {
      fmt::print("{}\n", tokenizer->decode(parse_ids(line, name, tokenizer->vocab())));
    }
  });
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
