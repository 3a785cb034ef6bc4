#include "apps/language/options.h"

#include <CLI/CLI.hpp>
#include <tuple>

#include "core/error.h"

namespace gmlp {

namespace {

void add_pretrain_options(CLI::App& app, PretrainOptions& options) {
  OptionGroup data(app, "Data");
  app.add_option("--text", options.text,
                 "Training text: UTF-8, plain or gzip'd; - is standard input")
      ->type_name("FILE...");
  app.add_option("--val-text", options.val_text, "Validation text; by default the end of --text")
      ->type_name("FILE...");
  data.number("--val-fraction", options.val_fraction,
              "Share of --text kept for validation without --val-text; 0 = none", 0, 1);
  data.integer("--val-batches", options.val_batches,
               "Number of batches of 16 windows to validate on; 0 = all");
  add_skip_bad(app, options.skip_bad);
  add_language_options(app, options,
                       "bytes, or a file: a SentencePiece .model or a tokenizer.json");
  // No CLI::IsMember, because config.toml may hold an empty value.
  app.add_option("--objective", options.objective,
                 "mlm: predict masked words (15 %, as BERT); causal: predict the next word");
  app.add_option("--init", options.init, "Initial weights: a checkpoint folder or FILE.safetensors")
      ->group("Model")
      ->type_name("DIR|FILE");
}

void check_complete(const PretrainOptions& options) {
  const std::pair<bool, const char*> missing[] = {
      {options.text.empty(), "--text FILE; name one or more text files"},
      {options.tokenizer.empty(),
       "--tokenizer: a file (gmlp-language tokenizer train makes one), or bytes"},
      {options.objective.empty(),
       "--objective; choose mlm (masked words) or causal (the next word)"},
      {options.model.model.empty(), "--model; for example --model gmlp_lm_tiny"}};
  for (const auto& [is_missing, needs] : missing) {
    if (is_missing) fail_input("pretrain needs {}", needs);
  }
  if (options.model.causal && options.objective == "mlm") {
    fail_input(
        "--causal: a masked model sees both sides of a word; leave it out, or use --objective "
        "causal");
  }
  arithmetic_from(options.precision, options.kernels);
}

}  // namespace

CLI::Option* add_skip_bad(CLI::App& app, int64_t& skip_bad) {
  return app
      .add_option("--skip-bad", skip_bad,
                  "Number of bad lines, rows or questions to leave out of a file")
      ->check(integer_in());
}

void add_language_model_options(CLI::App& app, LanguageModelOptions& options) {
  OptionGroup group(app, "Model");
  app.add_option("--model", options.model,
                 "Architecture: a name (`gmlp-language info --help` lists them), a checkpoint "
                 "folder or FILE.json")
      ->type_name("NAME|DIR|FILE");
  app.add_option("--arch", options.arch,
                 "gmlp, or a baseline: transformer, transformer-relpos, relpos-only, mixer; by "
                 "default the model's");
  const std::tuple<const char*, int64_t&, const char*> sizes[] = {
      {"--vocab-size", options.vocab_size,
       "Rows of the embedding, at least the tokenizer's ids; 0 = as many"},
      {"--seq-len", options.seq_len, "Tokens per window; 0 = the model's"},
      {"--depth", options.depth, "Number of blocks; 0 = the model's"},
      {"--d-model", options.d_model, "Model width; 0 = the model's"},
      {"--d-ffn", options.d_ffn, "Feed-forward width; 0 = the model's"},
      {"--attn-dim", options.attn_dim, "Width of aMLP's tiny attention; 0 = the model's"},
      {"--heads", options.heads, "Heads of a Transformer; 0 = the model's"},
      {"--spatial-ffn", options.spatial_ffn, "Width of a Mixer's token mixing; 0 = the model's"}};
  for (const auto& [name, value, help] : sizes) group.integer(name, value, help, 0, 1 << 24);
  app.add_option("--gate", options.gate,
                 "Gate of Table 3 of the paper: split, multiplicative, additive or linear; by "
                 "default the model's");
  const std::tuple<const char*, bool&, const char*> flags[] = {
      {"--toeplitz", options.toeplitz,
       "Spatial weights that depend on the distance of two tokens only"},
      {"--no-toeplitz", options.no_toeplitz, "One spatial weight per pair of tokens"},
      {"--causal", options.causal, "Tokens see earlier tokens only; --objective causal implies it"},
      {"--tie-embeddings", options.tie_embeddings,
       "One matrix for the input embedding and the output"},
      {"--no-tie-embeddings", options.no_tie_embeddings, "Two matrices"}};
  for (const auto& [name, value, help] : flags) app.add_flag(name, value, help);
}

void add_language_options(CLI::App& app, LanguageOptions& options, const char* tokenizer) {
  OptionGroup data(app, "Data");
  app.add_option("--tokenizer", options.tokenizer, tokenizer)->type_name("FILE|bytes");
  app.add_flag("--no-shuffle", options.no_shuffle, "Keep the order of the training data");
  add_language_model_options(app, options.model);
  OptionGroup(app, "Recipe")
      .number("--dropout", options.dropout, "Dropout of the embeddings and of each block", 0, 0.99);
}

std::optional<PretrainCommand> parse_pretrain(const std::vector<std::string>& arguments,
                                              const PretrainOptions& defaults, bool complete) {
  PretrainCommand command{defaults, ""};
  PretrainOptions& options = command.options;
  const TrainingSubcommand subcommand = {"gmlp-language pretrain", "Train a language model on text",
                                         [&](CLI::App& app) { add_pretrain_options(app, options); },
                                         [&](CLI::App&) {
                                           if (complete) check_complete(options);
                                         }};
  if (!parse_training(subcommand, arguments, options, command.config)) return std::nullopt;
  return command;
}

}  // namespace gmlp
