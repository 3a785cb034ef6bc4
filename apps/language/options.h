#pragma once
// The options of `gmlp-language pretrain` and `finetune` that vision training does not have.

#include <optional>
#include <string>
#include <vector>

#include "apps/train/options.h"

namespace CLI {
class Option;
}

namespace gmlp {

/// --model and what overrides it; zeros and empty texts keep the model's own.
struct LanguageModelOptions {
  std::string model;  // a name, a checkpoint folder or a FILE.json; the architecture only
  std::string arch, gate;
  int64_t vocab_size = 0, seq_len = 0, depth = 0, d_model = 0, d_ffn = 0;
  int64_t attn_dim = 0, heads = 0, spatial_ffn = 0;
  bool toeplitz = false, no_toeplitz = false;
  bool causal = false;
  bool tie_embeddings = false, no_tie_embeddings = false;
};

struct LanguageOptions : TrainOptions {
  LanguageOptions() {
    // The paper's recipe for language (appendix): linear decay, weight decay 0.01.
    sched = "linear";
    weight_decay = 0.01;
    batch_size = 32;
  }
  LanguageModelOptions model;
  std::string tokenizer;  // `bytes`, or a tokenizer's file
  double dropout = 0;
  bool no_shuffle = false;
};

struct PretrainOptions : LanguageOptions {
  PretrainOptions() {
    // Training passes over a corpus few times, so the warm-up is a fraction of an epoch.
    epochs = 1;
    warmup_epochs = 0.05;
  }
  std::vector<std::string> text;
  std::vector<std::string> val_text;
  std::string objective;      // mlm or causal
  std::string init;           // a checkpoint folder or FILE.safetensors to take weights from
  double val_fraction = 0.1;  // the end of the text, if there is no validation text
  int64_t val_batches = 0;    // of kValidationBatch windows; 0: all
  int64_t skip_bad = 0;       // lines of text to leave out
};

using PretrainCommand = RunCommand<PretrainOptions>;

/// Registers --skip-bad.
CLI::Option* add_skip_bad(CLI::App& app, int64_t& skip_bad);

/// Registers --model and its overrides, for every subcommand that builds a model.
void add_language_model_options(CLI::App& app, LanguageModelOptions& options);

/// Registers what pretrain and finetune share; `tokenizer` is the help of --tokenizer.
void add_language_options(CLI::App& app, LanguageOptions& options, const char* tokenizer);

/// Parses the arguments after `pretrain`. Returns nothing if help was printed. Throws InputError
/// for wrong usage, and if `complete`, for options that a run needs and that are missing.
std::optional<PretrainCommand> parse_pretrain(const std::vector<std::string>& arguments,
                                              const PretrainOptions& defaults = {},
                                              bool complete = true);

}  // namespace gmlp
