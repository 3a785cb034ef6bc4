#pragma once
// The options of `gmlp-language pretrain` that vision training does not have.

#include <optional>
#include <string>
#include <vector>

#include "apps/train/options.h"

namespace CLI {
class Option;
}

namespace gmlp {

/// --model and what overrides it.
struct LanguageModelOptions {
  std::string model;  // a name, a checkpoint folder or a FILE.json; the architecture only
  std::string arch;   // empty: the model's; so are the zeros below
  int64_t vocab_size = 0;
  int64_t seq_len = 0;
  int64_t depth = 0;
  int64_t d_model = 0;
  int64_t d_ffn = 0;
  int64_t attn_dim = 0;
  int64_t heads = 0;
  int64_t spatial_ffn = 0;
  std::string gate;
  bool toeplitz = false;
  bool no_toeplitz = false;
  bool causal = false;
  bool tie_embeddings = false;
  bool no_tie_embeddings = false;
};

struct LanguageOptions : TrainOptions {
  LanguageOptions() {
    // The paper's recipe for language (appendix): linear decay, weight decay 0.01. Training passes
    // over a corpus few times, so the warm-up is a fraction of an epoch.
    sched = "linear";
    weight_decay = 0.01;
    epochs = 1;
    batch_size = 32;
    warmup_epochs = 0.05;
  }
  LanguageModelOptions model;
  std::vector<std::string> text;
  std::vector<std::string> val_text;
  std::string tokenizer;      // `bytes`, or a tokenizer's file
  std::string objective;      // mlm or causal
  std::string init;           // a checkpoint folder or FILE.safetensors to take weights from
  double val_fraction = 0.1;  // the end of the text, if there is no validation text
  int64_t val_batches = 0;    // of kValidationBatch windows; 0: all
  int64_t skip_bad = 0;       // lines of text to leave out
  bool no_shuffle = false;
  double dropout = 0;
};

using PretrainCommand = RunCommand<LanguageOptions>;

/// Registers --skip-bad.
CLI::Option* add_skip_bad(CLI::App& app, int64_t& skip_bad);

/// Registers --model and its overrides, for every subcommand that builds a model.
void add_language_model_options(CLI::App& app, LanguageModelOptions& options);

/// Parses the arguments after `pretrain`. Returns nothing if help was printed. Throws InputError
/// for wrong usage, and if `complete`, for options that a run needs and that are missing.
std::optional<PretrainCommand> parse_pretrain(const std::vector<std::string>& arguments,
                                              const LanguageOptions& defaults = {},
                                              bool complete = true);

}  // namespace gmlp
