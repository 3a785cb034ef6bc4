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

struct TaskFacts {
  const char* name;
  std::vector<std::string> labels;  // as GLUE's files spell them, in the order of GLUE's ids
};
inline const std::array<TaskFacts, 4> kTaskFacts = {{
    {"sst2", {"0", "1"}},  // negative, positive
    {"mnli", {"entailment", "neutral", "contradiction"}},
    {"squad1", {}},
    {"squad2", {}},
}};

inline const char* task_name(Task task) {
  return kTaskFacts[static_cast<size_t>(task)].name;
}
/// The labels in the order of a model's classes; none for SQuAD.
inline const std::vector<std::string>& task_labels(Task task) {
  return kTaskFacts[static_cast<size_t>(task)].labels;
}
/// SQuAD's answer is a span of the text. The other tasks' is a label.
inline bool is_span_task(Task task) {
  return task == Task::kSquad1 || task == Task::kSquad2;
}
inline Task task_from_name(const std::string& name) {
  for (const Task task : {Task::kSst2, Task::kMnli, Task::kSquad1, Task::kSquad2}) {
    if (name == task_name(task)) return task;
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
