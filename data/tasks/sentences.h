#pragma once
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

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/tasks/task.h"
#include "data/text/utf8.h"

namespace gmlp {

using Names = std::vector<std::string>;

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
