#pragma once
// Finetuned models: their logits on the rows of a task, and the scores.

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/language/evaluate.h"
#include "apps/language/options.h"
#include "core/arena.h"
#include "core/io/json.h"

namespace gmlp {

/// A model and what its forward pass on a task depends on.
struct TaskModel {
  LanguageModel& model;
  const TaskFacts& facts;
  ExecutionOptions execution;
  Arena& arena;
  int64_t batch_size = 32;  // does not change the logits
  AnswerOptions answers = {};
  bool show_progress = true;  // on a terminal
};

/// A finetuned checkpoint, opened by the options of eval or predict, which take from it what they
/// do not say. Throws InputError if the model was not finetuned on the task.
struct OpenedTask {
  explicit OpenedTask(const TaskOptions& options);

  LoadedLanguage loaded;
  TaskFacts facts;
  TaskReading reading;
  Arena arena;
  TaskModel model;
};

/// Calls `use` with the logits of each row in order: one per class, or (N, 2) of a span. Ranks
/// share the rows, and each sees all logits. Throws Stopped after a signal.
void for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use);

/// One answer per question. If not null, `loss` becomes the mean over the windows in nats. Throws
/// Stopped after a signal.
std::vector<QuestionAnswer> answer_questions(const TaskModel& model, const SquadWindows& windows,
                                             double* loss);

/// The score on one file. The loss is in nats per example, for spans the mean over first and last
/// token. The metric is accuracy or F1, and `details` are further lines, of SQuAD 2.0.
struct TaskSetScore : EvalResult {  // NOLINT(bugprone-exception-escape): Json's destructor
  std::string text;                 // "accuracy 81.23 ± 1.32 %", "exact match ..., F1 ..."
  Json json;                        // all numbers
};

/// The score on the first file, and on all.
struct TaskScore : EvalResult {
  std::vector<TaskSetScore> sets;
};
/// Incomplete after a signal.
TaskScore score_task(const TaskModel& model, const std::vector<std::unique_ptr<TaskSet>>& sets);

}  // namespace gmlp
