#pragma once
// A model's logits on a task's rows, and what they are worth.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/language/tasks/task_files.h"
#include "apps/train/training_run.h"
#include "data/tasks/squad_metrics.h"
#include "models/language.h"

namespace gmlp {

/// A finetuned model and how it computes.
struct TaskModel {
  LanguageModel& model;
  Task task;
  ExecutionOptions execution;
  Arena& arena;
  int64_t batch_size = 32;  // changes no digit
  AnswerOptions answers;
};

/// Calls `use` with the logits of each row: one a class, or (N, 2) of a span. False: a signal came.
bool for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use);

/// softmax(logits).
std::vector<double> probabilities(const std::vector<double>& logits);

/// An answer a question. `loss` (may be null) becomes the mean over the windows. Nothing: a signal.
std::optional<std::vector<QuestionAnswer>> answer_questions(const TaskModel& model,
                                                            const SquadWindows& windows,
                                                            double* loss);

struct TaskSetScore {
  std::string name;
  int64_t size = 0;
  double loss = 0;  // nats an example; of spans the mean over first and last token
  Accuracy accuracy;
  SquadScores squad;
  NullThreshold best_threshold;  // squad2
};

/// EvalResult's metric: the first set's accuracy, or F1; loss and samples the first set's.
struct TaskScore : EvalResult {
  std::vector<TaskSetScore> sets;
};
TaskScore score_task(const TaskModel& model, const std::vector<std::unique_ptr<TaskSet>>& sets);

/// What a run of the task is judged by, EvalResult's metric: "accuracy" or "F1".
const char* metric_name(Task task);
/// The same as metrics.csv and summary.json call it: "val_accuracy" or "val_f1".
const char* metric_column(Task task);
/// "gmlp-language eval ..." of a finetuned model.
std::string eval_command(Task task, const std::string& data, const std::string& checkpoint);

/// "accuracy 81.23 ± 1.32 %", "matched 61.00 ± 0.49 %, mismatched ...", "exact match ..., F1 ...".
std::string task_score_text(Task task, const TaskSetScore& score);
nlohmann::ordered_json task_score_json(Task task, const TaskSetScore& score);

}  // namespace gmlp
