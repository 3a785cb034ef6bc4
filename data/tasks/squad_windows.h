#pragma once
// SQuAD's questions as rows of token ids, and a model's logits as answers.
//
//   <cls> question <sep> a window of the context <sep> pads up to N
//
// A context that does not fit becomes overlapping windows, which begin `stride` tokens apart (the
// "doc stride" of Devlin et al. 2019). A row's target is the answer's first and last token, or 0
// and 0, <cls>, if the window does not contain the whole answer.

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/squad.h"
#include "data/tasks/task_batch.h"

namespace gmlp {

struct WindowOptions {
  int64_t tokens = 512;       // N
  int64_t stride = 128;       // limited to half of a window's context, so that windows overlap
  int64_t max_question = 64;  // tokens; a longer question is cut
};

class SquadWindows : public TaskRows {
 public:
  /// `set` must outlive the windows. Calls `check_stop`, which may throw, for each text.
  SquadWindows(const SquadSet& set, const Tokenizer& tokenizer, const WindowOptions& options,
               const std::function<void()>& check_stop = {});

  int64_t size() const override { return static_cast<int64_t>(windows_.size()); }
  int64_t tokens() const override { return options_.tokens; }
  int64_t target_size() const override { return 2; }
  void write_ids(int64_t row, int64_t* ids) const override;
  void write_target(int64_t row, int64_t* target) const override;

  const SquadSet& set() const { return set_; }
  int64_t question(int64_t row) const { return window(row).question; }
  /// The positions [begin, end) of the row that are context.
  int64_t context_begin(int64_t row) const { return window(row).offset; }
  int64_t context_end(int64_t row) const {
    return window(row).offset + window(row).end - window(row).begin;
  }
  /// The context's text at positions [first, last], which must be context; without space around it.
  std::string text(int64_t row, int64_t first, int64_t last) const;

 private:
  struct Window {
    int64_t question = 0;
    int64_t begin = 0;  // of the context's pieces
    int64_t end = 0;
    int64_t offset = 0;  // the position of piece `begin` in the row
  };
  const Window& window(int64_t row) const { return windows_[static_cast<size_t>(row)]; }
  const SquadQuestion& question_of(const Window& window) const {
    return set_.questions[static_cast<size_t>(window.question)];
  }
  const std::vector<Piece>& pieces_of(const Window& window) const {
    return contexts_[static_cast<size_t>(question_of(window).context)];
  }

  const SquadSet& set_;
  WindowOptions options_;
  SpecialIds special_;
  std::vector<std::vector<Piece>> contexts_;
  std::vector<std::vector<int64_t>> questions_;
  std::vector<Window> windows_;  // in the order of the questions
};

struct AnswerOptions {
  int64_t n_best = 20;
  int64_t max_tokens = 30;
  bool unanswerable = false;  // v2.0
  double null_threshold = 0;
};

struct AnswerCandidate {
  std::string text;
  double score = 0;  // start logit + end logit
};

struct QuestionAnswer {
  std::string text;       // "" in v2.0: the context has no answer
  std::string best_text;  // whatever the threshold
  double null_score = 0;  // score of no answer (the least over the windows) - score of `best_text`
  std::vector<AnswerCandidate> best;  // `best_text` first; at most n_best
};

/// Collects the windows of a question, one after the other, then answers it.
class AnswerFinder {
 public:
  AnswerFinder(const SquadWindows& windows, const AnswerOptions& options)
      : windows_(windows), options_(options) {}
  /// `logits` (N, 2): each position's as first token and as last. Throws InputError for a NaN.
  void add(int64_t row, const std::vector<double>& logits);
  /// The answer from the rows added since the last call.
  QuestionAnswer answer();

 private:
  struct Span {
    int64_t row;
    int64_t first;
    int64_t last;
    double score;
  };
  const SquadWindows& windows_;
  AnswerOptions options_;
  std::vector<Span> spans_;
  double null_score_ = 0;
  int64_t added_ = 0;
};

}  // namespace gmlp
