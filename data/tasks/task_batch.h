#pragma once
// Examples of a task as rows of token ids, and rows as batches.
//
//   one sentence   <cls> A <sep>            pads up to N
//   two            <cls> A <sep> B <sep>    pads up to N
//
// A model answers at <cls> (paper, section 4.2), and has neither segment ids nor a mask on pads.

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "data/tasks/sentences.h"
#include "data/text/tokenizer.h"

namespace gmlp {

/// Throws InputError unless the tokenizer has <pad>, <cls> and <sep>.
void check_task_tokens(const Tokenizer& tokenizer);

/// N ids. Where A and B do not fit, the longer one loses its last token, again and again (of equal
/// ones B). `second` may be empty: then there is no second <sep> either.
std::vector<int64_t> encode_sentences(const Tokenizer& tokenizer, std::string_view first,
                                      std::string_view second, int64_t tokens);

/// Rows that a loader can make one after the other.
class TaskRows {
 public:
  virtual ~TaskRows() = default;
  virtual int64_t size() const = 0;
  virtual int64_t tokens() const = 0;  ///< N
  /// How many integers a target is: 1 label, or 2 positions of a span.
  virtual int64_t target_size() const = 0;
  /// Writes N ids.
  virtual void write_ids(int64_t row, int64_t* ids) const = 0;
  virtual void write_target(int64_t row, int64_t* target) const = 0;
};

/// Sentences, encoded once and kept without their pads.
class SentenceRows : public TaskRows {
 public:
  /// Calls `check_stop`, which may throw, now and then.
  SentenceRows(const SentenceSet& set, const Tokenizer& tokenizer, int64_t tokens,
               const std::function<void()>& check_stop = {});
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  int64_t tokens() const override { return tokens_; }
  int64_t target_size() const override { return 1; }
  void write_ids(int64_t row, int64_t* ids) const override;
  void write_target(int64_t row, int64_t* target) const override;

 private:
  int64_t tokens_;
  int64_t pad_;
  std::vector<int32_t> ids_;     // of all rows
  std::vector<int64_t> begins_;  // of each row in ids_, and the end
  std::vector<int64_t> labels_;
};

struct TaskBatch {
  std::vector<int64_t> ids;      // (B, N)
  std::vector<int64_t> targets;  // (B) labels, or (B, 2) first and last token
  std::vector<int64_t> rows;     // B, which rows these are
};

struct TaskLoaderOptions {
  int64_t batch_size = 32;
  uint64_t seed = 0;
  bool train = true;    // leave out the last partial batch
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
