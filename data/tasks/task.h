#pragma once
// The tasks that a pretrained model is finetuned on, and what each one's files are called.

#include <cstdint>
#include <string>
#include <vector>

namespace gmlp {

enum class Task : uint8_t { kSst2, kMnli, kSquad1, kSquad2 };

/// "sst2", "mnli", "squad1" or "squad2". Throws InputError for another name.
Task task_from_name(const std::string& name);
const char* task_name(Task task);
/// SQuAD asks for a piece of text; the others for a label.
inline bool is_span_task(Task task) {
  return task == Task::kSquad1 || task == Task::kSquad2;
}
/// The labels as they stand in the files, in the order of a model's classes: GLUE's own ids. Empty
/// for SQuAD.
const std::vector<std::string>& task_labels(Task task);

/// A share of right answers, and how sure one can be of it.
struct Accuracy {
  int64_t right = 0;
  int64_t count = 0;

  double value() const {
    return count == 0 ? 0 : static_cast<double>(right) / static_cast<double>(count);
  }
  double standard_error() const;  ///< sqrt(p (1 - p) / n)
};

}  // namespace gmlp
