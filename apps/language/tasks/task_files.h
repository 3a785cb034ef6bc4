#pragma once
// A task's files as rows of token ids.

#include <memory>
#include <string>
#include <vector>

#include "data/tasks/squad.h"
#include "data/tasks/task.h"
#include "data/text/tokenizer.h"

namespace gmlp {

/// How a task's files are read, and how their examples become rows.
struct TaskReading {
  WindowOptions windows;                       // of SQuAD; sentences have as many tokens
  std::vector<std::string> text_columns = {};  // of classify, as the next; empty: guessed
  std::string label_column = {};
  bool first_rows = false;    // of --max-train-samples, as runs of earlier versions had
  int64_t skip_bad = 0;       // rows or questions to leave out, per file
  std::string split = "val";  // of a single table: val, the tenth that is held out, or all
};

/// Throws InputError for columns that the task does not let one choose.
void check_columns(const TaskFacts& facts, const TaskReading& reading);

/// The task's facts. Those of classify come from its training table: columns as `reading` names
/// them, or guessed, and all labels. Adds a note about a guess.
TaskFacts describe_task(const std::string& task, const std::string& data,
                        const TaskReading& reading, std::vector<std::string>& notes);

/// One file: sentences or questions, and their rows.
struct TaskSet {
  std::string name;  // TaskFacts::File::set, or "input"
  SentenceSet sentences;
  SquadSet squad;
  std::unique_ptr<const TaskRows> rows;

  const SquadWindows& windows() const { return dynamic_cast<const SquadWindows&>(*rows); }
  /// The number of examples or questions.
  int64_t size() const { return std::ssize(sentences.examples) + std::ssize(squad.questions); }
};

struct TaskFiles {
  std::unique_ptr<TaskSet> train;  // null unless requested
  std::vector<std::unique_ptr<TaskSet>> dev;
  std::vector<std::string> notes;
};

/// Opens the files in the folder `data` under their official names, with the first `max_train`
/// training examples: 0 = all, negative = no training set. `data` of classify may be one table. Its
/// rows whose texts' CRC-32 is a multiple of ten are held out, so other rows never move one. Throws
/// InputError naming file, position, reason and remedy.
TaskFiles open_task_files(const TaskFacts& facts, const std::string& data,
                          const TaskReading& reading, const Tokenizer& tokenizer,
                          int64_t max_train);

/// Opens one file whose labels or answers are ignored. Adds notes about what is lost.
std::unique_ptr<TaskSet> open_task_input(const TaskFacts& facts, const std::string& path,
                                         const TaskReading& reading, const Tokenizer& tokenizer,
                                         std::vector<std::string>& notes);

}  // namespace gmlp
