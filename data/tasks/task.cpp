#include "data/tasks/task.h"

#include <cmath>

#include "core/error.h"

namespace gmlp {

Task task_from_name(const std::string& name) {
  for (const Task task : {Task::kSst2, Task::kMnli, Task::kSquad1, Task::kSquad2}) {
    if (name == task_name(task)) return task;
  }
  fail_input("--task {}: no such task; choose sst2, mnli, squad1 or squad2", name);
}

const char* task_name(Task task) {
  switch (task) {
    case Task::kSst2:
      return "sst2";
    case Task::kMnli:
      return "mnli";
    case Task::kSquad1:
      return "squad1";
    case Task::kSquad2:
      return "squad2";
  }
  return "";
}

const std::vector<std::string>& task_labels(Task task) {
  static const std::vector<std::string> none;
  static const std::vector<std::string> sst2 = {"0", "1"};  // negative, positive
  static const std::vector<std::string> mnli = {"entailment", "neutral", "contradiction"};
  if (task == Task::kSst2) return sst2;
  return task == Task::kMnli ? mnli : none;
}

double Accuracy::standard_error() const {
  return count == 0 ? 0 : std::sqrt(value() * (1 - value()) / static_cast<double>(count));
}

}  // namespace gmlp
