#pragma once
// What `gmlp-language finetune` can be told, beside what both trainers can.

#include <optional>
#include <string>
#include <vector>

#include "apps/language/options.h"
#include "apps/language/tasks/task_files.h"

namespace gmlp {

struct FinetuneOptions : TrainOptions {
  FinetuneOptions();
  std::string task;            // task_from_name's
  std::string data;            // the folder with the task's files
  LanguageModelOptions model;  // a checkpoint folder; or a name or FILE.json, to start from nothing
  std::string tokenizer;       // where the model has none
  TaskTextOptions text;
  bool from_scratch = false;  // of --model only the architecture and the tokenizer
  int64_t runs = 1;           // with seeds seed, seed + 1, ...
  double dropout = 0.1;
  bool no_shuffle = false;
  int64_t max_train_samples = 0;  // 0: all
};

using FinetuneCommand = RunCommand<FinetuneOptions>;

/// The arguments after `finetune`; see parse_run_command.
std::optional<FinetuneCommand> parse_finetune(const std::vector<std::string>& arguments);

}  // namespace gmlp
