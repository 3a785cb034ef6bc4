#pragma once
// The tasks for finetuning: facts about each, and their examples as batches of token ids.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"
#include "data/text/utf8.h"

namespace gmlp {

using Names = std::vector<std::string>;

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
  std::vector<File> files;  // the official ones: the training set, then the dev sets
  Names columns = {};       // of a table: one or two texts, then the label
  Names labels = {};        // in the order of the model's classes, which is GLUE's

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

// One sentence, or two, and a label, as rows of token ids: SST-2 and MNLI from GLUE's files, and
// any table of texts and labels.
//
//   one sentence   <cls> A <sep>            pads up to N
//   two            <cls> A <sep> B <sep>    pads up to N
//
// Columns are found by name, because MNLI's train files have 12 and its dev files 16. Tables are
//
//   .csv              fields separated by commas, or by semicolons if the first line has no comma;
//                     "quoted" fields may hold separators, line ends and doubled quotation marks
//   .jsonl, .ndjson   a JSON object per line; its keys are the columns
//   any other         fields separated by tabs; a quotation mark is an ordinary character

/// Calls `use` with the fields of `columns` of each row, its place, "FILE: line 7", and its number
/// from 0. It may throw InputError for a row that it cannot use; this row is then `bad`, as is one
/// that is not UTF-8. Throws InputError if a column is absent or there twice.
void read_table(
    const std::string& path, const Names& columns, BadRows& bad,
    const std::function<void(Names& fields, const std::string& place, int64_t row)>& use);

struct SentenceExample {
  std::string first;
  std::string second;  // empty for a task with single sentences
  int64_t label = -1;  // -1: none
  int64_t row = 0;     // of the file, from 0
};

struct SentenceSet {
  std::vector<SentenceExample> examples;
  int64_t skipped = 0;  // MNLI pairs with "-": no three of five annotators agreed
  BadRows bad;
};

/// The columns of texts and, last, of the label, guessed from their names. Throws InputError that
/// lists the columns.
Names guess_columns(const std::string& path);
/// The different labels in a column of a table, sorted. Throws InputError unless there are 2 to
/// 1000.
Names find_labels(const std::string& path, const std::string& column);

/// Reads one table. With `labeled` every row must have a label. Without it labels are ignored, so
/// that test files are accepted. Leaves out up to `skip_bad` rows. Throws InputError naming file,
/// line, reason and remedy.
SentenceSet read_sentences(const TaskFacts& facts, const std::string& path, bool labeled,
                           int64_t skip_bad = 0);

/// Sentences, encoded once and stored without their pads. If A and B do not fit, the longer one
/// loses its last token until they do (B, if they are equally long).
class SentenceRows : public TaskRows {
 public:
  /// Calls `check_stop`, which may throw, for each example.
  SentenceRows(const SentenceSet& set, const Tokenizer& tokenizer, int64_t tokens,
               const std::function<void()>& check_stop = {});
  int64_t size() const override { return std::ssize(rows_); }
  TaskRow row(int64_t index) const override;

 private:
  struct Row {
    std::vector<int32_t> ids;
    int64_t label;
  };
  Row encode(const SentenceExample& example, const Tokenizer& tokenizer);

  std::vector<Row> rows_;
};

}  // namespace gmlp
