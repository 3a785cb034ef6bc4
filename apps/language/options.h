#pragma once
// The subcommands of gmlp-language, the options that vision does not have, and the model that they
// choose.

#include <string>
#include <vector>

#include "apps/language/tasks/task_files.h"
#include "apps/train/trainer.h"
#include "models/language.h"

namespace gmlp {

// Each takes the arguments after its name and returns the exit status. All throw InputError for
// wrong usage or input.
int language_tokenizer(const std::vector<std::string>& arguments);
int language_finetune(const std::vector<std::string>& arguments);
int language_eval(const std::vector<std::string>& arguments);
int language_fill(const std::vector<std::string>& arguments);
int language_generate(const std::vector<std::string>& arguments);
int language_predict(const std::vector<std::string>& arguments);
int language_export(const std::vector<std::string>& arguments);
int language_ablate(const std::vector<std::string>& arguments);
int language_report(const std::vector<std::string>& arguments);
int language_info(const std::vector<std::string>& arguments);

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

/// Registers --model and its overrides, for every subcommand that builds a model.
void add_language_model_options(CLI::App& app, LanguageModelOptions& options);

/// --model with its overrides. Throws InputError naming the option, the reason and the remedy.
LanguageConfig choose_language_model(const LanguageModelOptions& options);
/// Names the model, its size and cost in `info`.
void describe_language_model(const LanguageConfig& config, TaskInfo& info);

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
  std::vector<std::string> text, val_text;
  std::string objective;      // mlm or causal
  std::string init;           // a checkpoint folder or FILE.safetensors to take weights from
  double val_fraction = 0.1;  // the end of the text, if there is no validation text
  int64_t val_batches = 0;    // of 16 windows; 0: all
  int64_t skip_bad = 0;       // lines of text to leave out
};

/// Parses the arguments after `pretrain`. Throws InputError for wrong usage, and if `complete`, for
/// options that a run needs and that are missing.
PretrainOptions parse_pretrain(const std::vector<std::string>& arguments,
                               PretrainOptions options = {}, bool complete = true);
/// Trains and returns the exit status. `hooks` are for tests.
int pretrain(const PretrainOptions& options, const Trainer::Hooks& hooks = {});

struct FinetuneOptions : LanguageOptions {
  FinetuneOptions() {
    min_lr = 0;
    dropout = 0.1;
  }
  std::string task;
  std::string data;  // the folder with the task's official files, or a table
  TaskReading reading;
  bool from_scratch = false;      // use only the architecture and the tokenizer of --model
  int64_t max_train_samples = 0;  // 0: all
};

/// Parses the arguments after `finetune`.
FinetuneOptions parse_finetune(const std::vector<std::string>& arguments);

/// The options of eval and predict. `task` is empty unless the model is a finetuned one. What is
/// not given of `reading` is as it was in finetuning.
struct TaskOptions : StoredModelOptions {
  std::string task;
  TaskReading reading = {.windows = {.stride = 0, .max_question = 0}};
  AnswerOptions answers;
  int64_t batch_size = 16;
};

/// Registers them in the group Task, which stays the default group.
void add_task_options(CLI::App& app, TaskOptions& options);
/// Makes the other options of that group require --task, and those of `group` exclude it.
void separate_groups(CLI::App& app, const std::string& group);

}  // namespace gmlp
