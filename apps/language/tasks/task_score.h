#pragma once
// A model's logits on a task's rows, and their scores.

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/language/tasks/task_files.h"
#include "apps/language/tasks/task_model.h"
#include "apps/train/task.h"
#include "data/tasks/squad_metrics.h"

namespace gmlp {

/// Calls `use` with the logits of each row: one per class, or (N, 2) of a span. Throws Stopped
/// after a signal.
void for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use);

/// One answer per question. If not null, `loss` becomes the mean over the windows in nats. Throws
/// Stopped after a signal.
std::vector<QuestionAnswer> answer_questions(const TaskModel& model, const SquadWindows& windows,
                                             double* loss);

struct TaskSetScore {
  std::string name;
  int64_t size = 0;
  double loss = 0;  // nats per example; for spans the mean over first and last token
  Accuracy accuracy;
  SquadScores squad;
  NullThreshold best_threshold;  // of SQuAD 2.0
};

/// The samples, loss and metric (accuracy or F1 in percent) are those of the first set.
struct TaskScore : EvalResult {
  std::vector<TaskSetScore> sets;
};
/// Incomplete after a signal.
TaskScore score_task(const TaskModel& model, const std::vector<std::unique_ptr<TaskSet>>& sets);

const char* metric_name(Task task);    ///< "accuracy" or "F1"
const char* metric_column(Task task);  ///< "val_accuracy" or "val_f1" in the run folder
/// The command that evaluates a finetuned checkpoint.
std::string eval_command(Task task, const std::string& data, const std::string& checkpoint);

/// "accuracy 81.23 ± 1.32 %", "matched 61.00 ± 0.49 %" or "exact match ..., F1 ...".
std::string task_score_text(Task task, const TaskSetScore& score);
nlohmann::ordered_json task_score_json(Task task, const TaskSetScore& score);

}  // namespace gmlp
