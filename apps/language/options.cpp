#include "apps/language/options.h"

#include <CLI/CLI.hpp>

#include "core/error.h"

namespace gmlp {

namespace {

constexpr VerbTexts kPretrain = {"gmlp-language pretrain", "Train a language model on text"};

void add_text_options(CLI::App& app, LanguageOptions& options) {
  app.add_option("--text", options.text, "Training text: UTF-8, plain or gzip'd")
      ->type_name("FILE...");
  app.add_option("--val-text", options.val_text,
                 "Validation text; without it the end of --text is kept for that")
      ->type_name("FILE...");
  app.add_option("--val-fraction", options.val_fraction, "How much of --text, without --val-text")
      ->check(number_in(0.0, 1.0));
  app.add_option("--val-batches", options.val_batches,
                 "Validate on N batches of 16 windows, the first ones; 0: on all")
      ->check(integer_in());
  app.add_option("--tokenizer", options.tokenizer,
                 "bytes, or a file: a SentencePiece .model or a tokenizer.json")
      ->type_name("FILE|bytes");
  // No IsMember: the empty text that stands for "not given" must read back.
  app.add_option("--objective", options.objective,
                 "mlm: guess masked words (BERT's 15 %); causal: guess the next one");
  app.add_option("--init", options.init, "Start from the weights in DIR or FILE.safetensors")
      ->type_name("DIR|FILE");
  app.add_flag("--no-shuffle", options.no_shuffle, "Keep the order of the text");
  app.add_option("--dropout", options.dropout, "Of the embeddings and of each block's branch")
      ->check(number_in(0.0, 0.99));
}

void add_options(CLI::App& app, LanguageOptions& options) {
  add_language_model_options(app, options.model);
  add_text_options(app, options);
}

void check_complete(const LanguageOptions& options) {
  if (options.text.empty()) fail_input("pretrain needs --text FILE; name one or more text files");
  if (options.tokenizer.empty()) {
    fail_input(
        "pretrain needs --tokenizer: a file (gmlp-language tokenizer train makes one), or bytes");
  }
  if (options.objective.empty()) {
    fail_input("pretrain needs --objective; choose mlm (masked words) or causal (the next word)");
  }
  if (options.model.model.empty()) {
    fail_input("pretrain needs --model; for example --model gmlp_lm_tiny");
  }
  if (options.model.causal && options.objective == "mlm") {
    fail_input(
        "--causal: a masked model sees both sides of a word; leave it out, or use --objective "
        "causal");
  }
  arithmetic_from(options.precision, options.kernels);
}

}  // namespace

void add_language_model_options(CLI::App& app, LanguageModelOptions& options) {
  const CLI::Validator size = integer_in(0, int64_t{1} << 24);
  app.add_option("--model", options.model,
                 "Architecture: a name (`gmlp-language info --help` lists them), a checkpoint "
                 "folder or FILE.json")
      ->type_name("NAME|DIR|FILE");
  app.add_option("--arch", options.arch,
                 "gmlp, or a baseline: transformer, transformer-relpos, relpos-only, mixer");
  app.add_option("--vocab-size", options.vocab_size,
                 "0: the tokenizer's; more leaves rows of the embedding unused")
      ->check(size);
  app.add_option("--seq-len", options.seq_len, "Tokens of a window; 0: the model's")->check(size);
  app.add_option("--depth", options.depth, "Number of blocks; 0: the model's")->check(size);
  app.add_option("--d-model", options.d_model, "0: the model's")->check(size);
  app.add_option("--d-ffn", options.d_ffn, "0: the model's")->check(size);
  app.add_option("--attn-dim", options.attn_dim, "Width of aMLP's tiny attention; 0: the model's")
      ->check(size);
  app.add_option("--heads", options.heads, "Of the Transformers; 0: the model's")->check(size);
  app.add_option("--spatial-ffn", options.spatial_ffn, "Of the Mixer; 0: the model's")->check(size);
  app.add_option("--gate", options.gate,
                 "split, multiplicative, additive or linear (Table 3 of the paper); the model's "
                 "when not given");
  app.add_flag("--toeplitz", options.toeplitz, "Spatial weights depend on the distance alone");
  app.add_flag("--no-toeplitz", options.no_toeplitz, "A spatial weight for each pair of tokens");
  app.add_flag("--causal", options.causal, "No token sees a later one; --objective causal says so");
  app.add_flag("--tie-embeddings", options.tie_embeddings,
               "One matrix embeds words and scores them");
  app.add_flag("--no-tie-embeddings", options.no_tie_embeddings, "Two matrices");
}

std::optional<PretrainCommand> parse_pretrain(const std::vector<std::string>& arguments,
                                              const LanguageOptions& defaults) {
  return parse_run_command<LanguageOptions>({kPretrain, add_options, check_complete}, arguments,
                                            defaults);
}

LanguageOptions parse_pretrain_part(const std::vector<std::string>& arguments,
                                    const LanguageOptions& defaults) {
  LanguageOptions options = defaults;
  std::string config;
  const auto add = [&](CLI::App& app) { add_options(app, options); };
  parse_train_options(kPretrain, arguments, false, add, options, config);
  return options;
}

}  // namespace gmlp
