#pragma once
// A task's examples as rows of token ids, and rows as batches.
//
//   one sentence   <cls> A <sep>            pads up to N
//   two            <cls> A <sep> B <sep>    pads up to N
//
// The model's answer is at <cls> (paper, section 4.2). It has neither segment ids nor a mask on
// pads.

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "data/tasks/sentences.h"
#include "data/text/tokenizer.h"

namespace gmlp {

/// Throws InputError unless the tokenizer has <pad>, <cls> and <sep>.
void check_task_tokens(const Tokenizer& tokenizer);

/// Returns N ids. If A and B do not fit, the longer one loses its last token until they do (B, if
/// they are equally long). An empty `second` has no second <sep> either.
std::vector<int64_t> encode_sentences(const Tokenizer& tokenizer, std::string_view first,
                                      std::string_view second, int64_t tokens);

/// The rows that a loader reads.
class TaskRows {
 public:
  virtual ~TaskRows() = default;
  virtual int64_t size() const = 0;
  virtual int64_t tokens() const = 0;  ///< N
  /// The number of integers in a target: 1 label, or 2 positions of a span.
  virtual int64_t target_size() const = 0;
  /// Writes N ids.
  virtual void write_ids(int64_t row, int64_t* ids) const = 0;
  virtual void write_target(int64_t row, int64_t* target) const = 0;
};

/// Sentences, encoded once and stored without their pads.
class SentenceRows : public TaskRows {
 public:
  /// Calls `check_stop`, which may throw, for each example.
  SentenceRows(const SentenceSet& set, const Tokenizer& tokenizer, int64_t tokens,
               const std::function<void()>& check_stop = {});
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  int64_t tokens() const override { return tokens_; }
  int64_t target_size() const override { return 1; }
  void write_ids(int64_t row, int64_t* ids) const override;
  void write_target(int64_t row, int64_t* target) const override;

 private:
  struct Row {
    std::vector<int32_t> ids;
    int64_t label;
  };
  int64_t tokens_;
  int64_t pad_;
  std::vector<Row> rows_;
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

/// What a batch holds is a function of (seed, epoch, index) alone.
class TaskLoader {
 public:
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
