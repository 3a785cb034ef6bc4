#pragma once
// The tasks for finetuning: facts about each, and their examples as batches of token ids.

#include <cstdint>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

enum class Task : uint8_t { kSst2, kMnli, kSquad1, kSquad2, kClassify };

/// What differs between the tasks. SQuAD has no columns or labels: its answer is a span of text.
/// Those of `classify` come from its data and are stored in the checkpoint.
struct TaskFacts {
  struct File {
    const char* set;
    const char* name;
  };
  Task task;
  const char* name;
  std::vector<File> files;                // the official ones: the training set, then the dev sets
  std::vector<std::string> columns = {};  // of a table: one or two texts, then the label
  std::vector<std::string> labels = {};   // in the order of the model's classes, which is GLUE's

  bool is_span() const { return task == Task::kSquad1 || task == Task::kSquad2; }
  const char* metric() const { return is_span() ? "F1" : "accuracy"; }
  const char* metric_column() const { return is_span() ? "val_f1" : "val_accuracy"; }
  const char* examples() const { return is_span() ? "questions" : "examples"; }
};
/// The facts of a task by its name. Throws InputError that lists the tasks.
const TaskFacts& task_facts(const std::string& name);

/// What a line of the log tells about encoded texts.
struct TextCounts {
  int64_t tokens = 0;
  int64_t unknown = 0;  // tokens of text that the tokenizer does not know
  int64_t cut = 0;      // sentences or questions that lost their end
};

/// An example for the model, whose answer is at <cls> (paper, section 4.2), the first id. There are
/// neither segment ids nor a mask on pads.
struct TaskRow {
  std::vector<int64_t> ids;     // N
  std::vector<int64_t> target;  // a label, or the positions of a span's first and last token
};

class TaskRows {
 public:
  virtual ~TaskRows() = default;
  virtual int64_t size() const = 0;
  virtual TaskRow row(int64_t index) const = 0;
  int64_t tokens() const { return tokens_; }  ///< N
  const TextCounts& counts() const { return counts_; }

 protected:
  /// Throws InputError unless the tokenizer has <pad>, <cls> and <sep>.
  TaskRows(const Tokenizer& tokenizer, int64_t tokens);

  int64_t tokens_;
  SpecialIds special_;
  TextCounts counts_;
};

struct TaskBatch {
  std::vector<int64_t> ids;      // (B, N)
  std::vector<int64_t> targets;  // (B) labels, or (B, 2) first and last token
  std::vector<int64_t> rows;     // (B), the indices of the rows
};

struct TaskLoaderOptions {
  int64_t batch_size = 32;
  uint64_t seed = 0;
  bool train = true;    // drop the last partial batch
  bool shuffle = true;  // only with `train`
};

/// A batch is a function of (seed, epoch, index) alone: a resumed run sees the same batches.
class TaskLoader {
 public:
  /// `rows` must outlive the loader. Throws InputError if there are too few for a training batch.
  TaskLoader(const TaskRows& rows, const TaskLoaderOptions& options);
  int64_t batches_per_epoch() const;
  TaskBatch batch(int64_t epoch, int64_t index);

 private:
  const TaskRows& rows_;
  TaskLoaderOptions options_;
  std::vector<int64_t> order_;  // of order_epoch_
  int64_t order_epoch_ = -1;
};

}  // namespace gmlp
