#pragma once
// The options of finetune, and those of eval and predict for a finetuned model.

#include <optional>
#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "apps/language/options.h"
#include "apps/language/tasks/task_files.h"

namespace gmlp {

struct FinetuneOptions : LanguageOptions {
  FinetuneOptions() {
    min_lr = 0;
    dropout = 0.1;
    reading.stride = WindowOptions().stride;
    reading.max_question = WindowOptions().max_question;
  }
  std::string task;
  std::string data;  // the folder with the task's official files, or a table
  TaskReading reading;
  bool from_scratch = false;      // use only the architecture and the tokenizer of --model
  int64_t max_train_samples = 0;  // 0: all
};

using FinetuneCommand = RunCommand<FinetuneOptions>;

/// Parses the arguments after `finetune`. Returns nothing if help was printed.
std::optional<FinetuneCommand> parse_finetune(const std::vector<std::string>& arguments);

/// The options of eval and predict. `task` is empty unless the model is a finetuned one. What is
/// not given of `reading` is as it was in finetuning.
struct TaskOptions : StoredModelOptions {
  std::string task;
  TaskReading reading;
  AnswerOptions answers;
  int64_t batch_size = 16;
};

constexpr const char* kTaskGroup = "Task";

/// Registers them in kTaskGroup, which stays the default group.
void add_task_options(CLI::App& app, TaskOptions& options);
/// Makes the other options of kTaskGroup require --task, and those of `group` exclude it.
void separate_groups(CLI::App& app, const std::string& group);

}  // namespace gmlp
