#pragma once
// SQuAD v1.1 and v2.0 in their official JSON: paragraphs, questions about each, and answers that
// are parts of the paragraph.
//
//   {"version": "1.1", "data": [{"title": ..., "paragraphs": [{"context": TEXT, "qas": [
//     {"id": ..., "question": TEXT, "is_impossible": false,
//      "answers": [{"text": TEXT, "answer_start": N}, ...]}, ...]}, ...]}, ...]}

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "data/tasks/task.h"
#include "data/text/utf8.h"

namespace gmlp {

/// Bytes [begin, end) of the context. The file counts characters (code points) instead.
struct SquadAnswer {
  int64_t begin = 0, end = 0;
};

struct SquadQuestion {
  std::string id, text;
  int64_t context = 0;               // index in SquadSet::contexts
  bool impossible = false;           // v2.0: the context has no answer
  std::vector<SquadAnswer> answers;  // in dev files one per annotator; empty if impossible
};

struct SquadSet {
  std::string path;
  bool unanswerable = false;  // v2.0
  std::vector<std::string> contexts;
  std::vector<SquadQuestion> questions;
  int64_t moved = 0;  // answers that were not at their answer_start
  BadRows bad;

  const std::string& context(const SquadQuestion& question) const {
    return contexts[static_cast<size_t>(question.context)];
  }
  std::string_view answer_text(const SquadQuestion& question, const SquadAnswer& answer) const {
    return std::string_view(context(question))
        .substr(static_cast<size_t>(answer.begin), static_cast<size_t>(answer.end - answer.begin));
  }
};

struct SquadReading {
  bool unanswerable = false;  // v2.0: is_impossible may be true, and then there are no answers
  bool answered = true;       // false: ignore answers, for files to predict for
  int64_t skip_bad = 0;       // questions to leave out because of what is wrong with them
};

/// Skips keys that are not in the layout above. An id may be a number. An answer that is not at its
/// answer_start moves to the nearest place in the context that has its text. Throws InputError
/// naming the question or the paragraph, e.g. if the context does not have an answer, two questions
/// have the same id, or a question has no answer.
SquadSet read_squad(const std::string& path, const SquadReading& reading);

// SQuAD's two scores, by the rules of its official programs (Rajpurkar et al. 2016, section 6.1;
// 2018). Exact match is 1 if two answers are equal. F1 is the harmonic mean of precision and recall
// over the bag of words they share. Both ignore case, ASCII punctuation, the articles a, an, the,
// and extra space. A question's score is the best over its annotators' answers, a set's the mean in
// percent. In v2.0 "" means that the context has no answer.

/// The words by which an answer is compared.
std::vector<std::string> answer_words(std::string_view text);
double answer_f1(std::vector<std::string> prediction, std::vector<std::string> gold);

/// Means in percent over `count` questions, and their standard errors.
struct SquadScore {
  double exact = 0, exact_error = 0;
  double f1 = 0, f1_error = 0;
  int64_t count = 0;
};

struct SquadScores {
  SquadScore all;
  SquadScore answerable;    // v2.0: HasAns_exact, HasAns_f1
  SquadScore unanswerable;  // v2.0: NoAns_exact, NoAns_f1
};

struct QuestionAnswer {
  std::string text;            // "" in v2.0: the context has no answer
  std::string best_text = {};  // whatever the threshold
  double best_score = 0;       // of best_text: start logit + end logit
  // Of no answer, the least over the windows: one that surely has an answer is evidence against "".
  double null_score = std::numeric_limits<double>::infinity();

  /// What thresholds are compared with.
  double null_margin() const { return best_text.empty() ? 0 : null_score - best_score; }
};

/// The scores of an answer per question of the set.
SquadScores score_squad(const SquadSet& set, const std::vector<QuestionAnswer>& answers);

// SQuAD's questions as rows of token ids, and a model's logits as answers.
//
//   <cls> question <sep> a window of the context <sep> pads up to N
//
// A context that does not fit becomes overlapping windows, which begin `stride` tokens apart (the
// "doc stride" of Devlin et al. 2019). A row's target is the answer's first and last token, or 0
// and 0, <cls>, if the window does not contain the whole answer.

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

  int64_t size() const override { return std::ssize(windows_); }
  TaskRow row(int64_t index) const override;

  const SquadSet& set() const { return set_; }
  struct Window {
    int32_t question = 0;
    int32_t begin = 0, end = 0;  // of the context's tokens
    int32_t offset = 0;          // the position of token `begin` in the row
  };
  const Window& window(int64_t row) const { return windows_[static_cast<size_t>(row)]; }
  /// The context's text at positions [first, last], which must be context; without space around it.
  std::string text(int64_t row, int64_t first, int64_t last) const;

 private:
  /// A piece in half the memory.
  struct Token {
    int32_t id;
    uint32_t begin, end;
  };
  const SquadQuestion& question_of(const Window& window) const {
    return set_.questions[static_cast<size_t>(window.question)];
  }
  const std::vector<Token>& tokens_of(const SquadQuestion& question) const {
    return contexts_[static_cast<size_t>(question.context)];
  }

  const SquadSet& set_;
  std::vector<std::vector<Token>> contexts_;
  std::vector<std::vector<int32_t>> questions_;
  std::vector<Window> windows_;
};

struct AnswerOptions {
  int64_t max_tokens = 30;
  double null_threshold = 0;  // v2.0: of the null margin, above which "" is the answer
};

/// Updates the answer to a question, initially {}, with the logits (N, 2) of one of its windows:
/// each position's as first token and as last. Throws InputError for a NaN.
void update_answer(const SquadWindows& windows, int64_t row, const std::vector<double>& logits,
                   const AnswerOptions& options, QuestionAnswer& answer);

}  // namespace gmlp
