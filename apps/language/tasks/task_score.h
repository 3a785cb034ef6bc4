#pragma once
// Finetuned models: their heads, their logits on the rows of a task, and the scores.

#include <functional>
#include <string>
#include <vector>

#include "apps/language/evaluate.h"
#include "apps/language/options.h"
#include "apps/language/tasks/task_files.h"
#include "apps/train/task.h"
#include "core/io/json.h"
#include "data/tasks/squad.h"

namespace gmlp {

/// Sets the head of `config` to the task's: class logits from <cls>, or two logits per token.
/// Throws InputError for a causal model, whose <cls> at the front sees no other token.
void fit_to_task(LanguageConfig& config, const TaskFacts& facts);

/// The members that a finetuned checkpoint adds to config.json's "gmlp" object.
std::string task_json(const TaskFacts& facts, const TaskEncoding& encoding);

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
struct OpenedTask : OpenedModel {
  explicit OpenedTask(const TaskOptions& options);

  TaskFacts facts;
  TaskModel model;
  TaskEncoding encoding;

 private:
  void read_config(const std::string& folder);
};

/// Calls `use` with the logits of each row in order: one per class, or (N, 2) of a span. Ranks
/// share the rows, and each sees all logits. Throws Stopped after a signal.
void for_each_row(const TaskModel& model, const TaskRows& rows,
                  const std::function<void(int64_t row, const std::vector<double>& logits)>& use);

/// One answer per question. If not null, `loss` becomes the mean over the windows in nats. Throws
/// Stopped after a signal.
std::vector<QuestionAnswer> answer_questions(const TaskModel& model, const SquadWindows& windows,
                                             double* loss);

struct TaskMetric {
  const char* key;   // in JSON
  std::string name;  // in text
  double percent, error;
};

struct TaskSetScore {
  std::string name;
  int64_t size = 0;
  double loss = 0;  // nats per example; for spans the mean over first and last token
  std::vector<TaskMetric> metrics = {};  // the last one selects the best epoch
  SquadScores squad = {};
  NullThreshold best_threshold = {};  // of SQuAD 2.0
};

/// The samples, loss and metric (accuracy or F1 in percent) are those of the first set.
struct TaskScore : EvalResult {
  std::vector<TaskSetScore> sets;
};
/// Incomplete after a signal.
TaskScore score_task(const TaskModel& model, const std::vector<std::unique_ptr<TaskSet>>& sets);

/// "accuracy 81.23 ± 1.32 %", "matched 61.00 ± 0.49 %" or "exact match ..., F1 ...".
std::string task_score_text(const TaskSetScore& score);
Json task_score_json(const TaskFacts& facts, const TaskSetScore& score);

}  // namespace gmlp
