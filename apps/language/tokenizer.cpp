// gmlp-language tokenizer train: a tokenizer from text.

#include "data/text/tokenizer.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/language/options.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

int language_tokenizer(const std::vector<std::string>& arguments) {
  refuse_if(arguments.empty() || arguments.front() != "train",
            "tokenizer needs a subcommand: train; see gmlp-language tokenizer train --help");
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
  parse_arguments(app, {arguments.begin() + 1, arguments.end()});
  const bool sentencepiece = training.type == "sentencepiece";
  const char* extension = sentencepiece ? ".model" : ".json";
  refuse_if(!out.ends_with(extension),
            "--out {}: a tokenizer of type {} needs a file name that ends with {}", out,
            training.type, extension);
  refuse_if(std::filesystem::exists(out) && !overwrite,
            "--out {}: exists already; use another name, or replace it with --overwrite", out);
  refuse_if(sentencepiece && training.vocab == 0,
            "tokenizer train --type sentencepiece needs --vocab-size; for example 8000");
  refuse_if(!sentencepiece && model_type->count() > 0,
            "--model-type: applies only to --type sentencepiece; leave it out");

  refuse_if(training.type == "bytes" && training.vocab != 0 && training.vocab != 260,
            "--vocab-size {}: a tokenizer of bytes has 260 ids; leave it out", training.vocab);
  refuse_if(sentencepiece && std::ranges::count(text, "-") > 0,
            "--text -: SentencePiece reads the text twice, standard input is read once; name a "
            "file");
  const auto train = [&] {
    const DefaultStopSignals ended;
    return train_tokenizer(text, training);
  };
  write_file_atomic(out, train());
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

}  // namespace gmlp
