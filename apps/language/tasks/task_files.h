#pragma once
// A task's files as rows of a model's token ids.

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

/// How SQuAD's long texts become windows.
struct TaskTextOptions {
  int64_t stride = 128;
  int64_t max_question = 64;
};

/// One file: sentences, or questions, and their rows.
struct TaskSet {
  std::string name;  // "train", "dev", "matched", "mismatched"
  SentenceSet sentences;
  SquadSet squad;
  std::unique_ptr<SentenceRows> sentence_rows;
  std::unique_ptr<SquadWindows> windows;

  const TaskRows& rows() const {
    if (windows) return *windows;
    return *sentence_rows;
  }
  /// Examples or questions.
  int64_t size() const;
};

struct TaskEncoding {
  const Tokenizer& tokenizer;
  int64_t tokens = 128;
  TaskTextOptions text;
  std::function<void()> check_stop;  // may throw
};

struct TaskFiles {
  std::unique_ptr<TaskSet> train;  // null unless it was asked for
  std::vector<std::unique_ptr<TaskSet>> dev;
  std::vector<std::string> notes;
};

/// The official file names below `folder`. `most_train`: how many examples, 0 for all; negative for
/// none. Throws InputError naming file, place, reason and remedy.
TaskFiles open_task_files(Task task, const std::string& folder, const TaskEncoding& encoding,
                          int64_t most_train);

/// One file to predict for: without labels or answers.
std::unique_ptr<TaskSet> open_task_input(Task task, const std::string& path,
                                         const TaskEncoding& encoding);

}  // namespace gmlp
