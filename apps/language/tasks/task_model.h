#pragma once
// Finetuned models. The "gmlp" object of a checkpoint's config.json names the task.

#include <string>

#include "apps/cli/options.h"
#include "apps/language/model_choice.h"
#include "apps/language/tasks/task_files.h"
#include "apps/language/tasks/task_options.h"
#include "core/arena.h"

namespace gmlp {

/// Sets the head of `config` to the task's: class logits from <cls>, or two logits per token.
/// Throws InputError for a causal model, whose <cls> at the front sees no other token.
void fit_to_task(LanguageConfig& config, Task task);

/// The members that a finetuned checkpoint adds to config.json's "gmlp" object.
std::string task_json(Task task, const Tokenizer& tokenizer);

/// A model and what its forward pass on a task depends on.
struct TaskModel {
  LanguageModel& model;
  Task task;
  ExecutionOptions execution;
  Arena& arena;
  int64_t batch_size = 32;  // does not change the logits
  AnswerOptions answers = {};
};

/// A finetuned checkpoint, opened by the options of eval or predict. Throws InputError if the model
/// was not finetuned on the task.
struct OpenedTask {
  explicit OpenedTask(const TaskOptions& options);

  Task task;
  LoadedLanguage loaded;
  Arena arena;
  TaskModel model;
  TaskEncoding encoding;
};

}  // namespace gmlp
