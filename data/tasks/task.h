#pragma once
// The tasks on which a pretrained model is finetuned.

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"

namespace gmlp {

enum class Task : uint8_t { kSst2, kMnli, kSquad1, kSquad2 };

/// All that differs between the tasks.
struct TaskFacts {
  struct File {
    const char* set;
    const char* name;
  };
  const char* name;
  std::vector<File> files;           // the official ones: the training set, then the dev sets
  std::vector<std::string> columns;  // of a tsv file: one or two sentences, then the label
  std::vector<std::string> labels;   // as GLUE's files spell them, in the order of GLUE's ids
  const char* metric;
  const char* metric_column;  // in metrics.csv
};
inline const std::array<TaskFacts, 4> kTaskFacts = {{
    {.name = "sst2",
     .files = {{"train", "train.tsv"}, {"dev", "dev.tsv"}},
     .columns = {"sentence", "label"},
     .labels = {"0", "1"},  // negative, positive
     .metric = "accuracy",
     .metric_column = "val_accuracy"},
    {.name = "mnli",
     .files = {{"train", "train.tsv"},
               {"matched", "dev_matched.tsv"},
               {"mismatched", "dev_mismatched.tsv"}},
     .columns = {"sentence1", "sentence2", "gold_label"},
     .labels = {"entailment", "neutral", "contradiction"},
     .metric = "accuracy",
     .metric_column = "val_accuracy"},
    {.name = "squad1",
     .files = {{"train", "train-v1.1.json"}, {"dev", "dev-v1.1.json"}},
     .columns = {},
     .labels = {},
     .metric = "F1",
     .metric_column = "val_f1"},
    {.name = "squad2",
     .files = {{"train", "train-v2.0.json"}, {"dev", "dev-v2.0.json"}},
     .columns = {},
     .labels = {},
     .metric = "F1",
     .metric_column = "val_f1"},
}};

inline const TaskFacts& task_facts(Task task) {
  return kTaskFacts[static_cast<size_t>(task)];
}
inline const char* task_name(Task task) {
  return task_facts(task).name;
}
/// The labels in the order of a model's classes; none for SQuAD.
inline const std::vector<std::string>& task_labels(Task task) {
  return task_facts(task).labels;
}
inline const char* metric_name(Task task) {
  return task_facts(task).metric;
}
inline const char* metric_column(Task task) {
  return task_facts(task).metric_column;
}
/// SQuAD's answer is a span of the text. The other tasks' is a label.
inline bool is_span_task(Task task) {
  return task_labels(task).empty();
}
inline Task task_from_name(const std::string& name) {
  for (size_t i = 0; i < kTaskFacts.size(); ++i) {
    if (name == kTaskFacts[i].name) return static_cast<Task>(i);
  }
  fail_input("--task {}: no such task; choose sst2, mnli, squad1 or squad2", name);
}

/// The share of right answers.
struct Accuracy {
  int64_t right = 0;
  int64_t count = 0;

  double value() const {
    return count == 0 ? 0 : static_cast<double>(right) / static_cast<double>(count);
  }
  /// sqrt(p (1 - p) / n)
  double standard_error() const {
    return count == 0 ? 0 : std::sqrt(value() * (1 - value()) / static_cast<double>(count));
  }
};

}  // namespace gmlp
