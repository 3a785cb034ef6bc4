#pragma once
// A task's official files as rows of token ids.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/tasks/sentences.h"
#include "data/tasks/squad.h"
#include "data/tasks/squad_windows.h"
#include "data/tasks/task.h"
#include "data/tasks/task_batch.h"
#include "data/text/tokenizer.h"

namespace gmlp {

/// How examples become rows.
struct TaskEncoding {
  const Tokenizer& tokenizer;
  int64_t tokens = 128;              // N of the model
  WindowOptions windows;             // of SQuAD; its `tokens` is not used
  std::function<void()> check_stop;  // may throw
};

/// One file: sentences or questions, and their rows.
struct TaskSet {
  std::string name;  // "train", "dev", "matched", "mismatched" or "input"
  SentenceSet sentences;
  SquadSet squad;
  std::unique_ptr<SentenceRows> sentence_rows;  // of SST-2 and MNLI
  std::unique_ptr<SquadWindows> windows;        // of SQuAD

  const TaskRows& rows() const {
    if (windows) return *windows;
    return *sentence_rows;
  }
  /// The number of examples or questions.
  int64_t size() const;
};

struct TaskFiles {
  std::unique_ptr<TaskSet> train;  // null unless requested
  std::vector<std::unique_ptr<TaskSet>> dev;
  std::vector<std::string> notes;
};

/// Opens the files in `folder` under their official names, with the first `max_train` training
/// examples: 0 = all, negative = no training set. Throws InputError naming file, position, reason
/// and remedy.
TaskFiles open_task_files(Task task, const std::string& folder, const TaskEncoding& encoding,
                          int64_t max_train);

/// Opens one file whose labels or answers are ignored.
std::unique_ptr<TaskSet> open_task_input(Task task, const std::string& path,
                                         const TaskEncoding& encoding);

}  // namespace gmlp
