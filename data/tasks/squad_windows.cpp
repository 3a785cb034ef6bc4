#include "data/tasks/squad_windows.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {

SquadWindows::SquadWindows(const SquadSet& set, const Tokenizer& tokenizer,
                           const WindowOptions& options, const std::function<void()>& check_stop)
    : set_(set), options_(options), special_(tokenizer.special()) {
  check_task_tokens(tokenizer);
  const int64_t free = options.tokens - 3;  // without <cls> and twice <sep>
  if (free < 2) {
    fail_input("sequences of {} tokens are too short for question and context; use a longer model",
               options.tokens);
  }
  for (const std::string& context : set.contexts) {
    if (check_stop) check_stop();
    contexts_.push_back(tokenizer.encode(context));
  }
  for (const SquadQuestion& question : set.questions) {
    if (check_stop) check_stop();
    std::vector<int64_t> ids = tokenizer.encode_ids(question.text);
    // At most half of the row is question, so that a small model reads context, too.
    const size_t most = static_cast<size_t>(std::min(options.max_question, free / 2));
    if (ids.size() > most) ids.resize(most);
    Window window;
    window.question = static_cast<int64_t>(questions_.size());
    window.offset = static_cast<int64_t>(ids.size()) + 2;
    const int64_t width = free - static_cast<int64_t>(ids.size());
    const int64_t stride = std::min(options.stride, (width + 1) / 2);
    const int64_t length = static_cast<int64_t>(pieces_of(window).size());
    questions_.push_back(std::move(ids));
    for (;; window.begin += stride) {
      window.end = std::min(window.begin + width, length);
      windows_.push_back(window);
      if (window.end == length) break;
    }
  }
}

void SquadWindows::write_ids(int64_t row, int64_t* ids) const {
  const Window& window = this->window(row);
  const std::vector<int64_t>& question = questions_[static_cast<size_t>(window.question)];
  const std::vector<Piece>& context = pieces_of(window);
  int64_t* next = ids;
  *next++ = special_.cls;
  next = std::copy(question.begin(), question.end(), next);
  *next++ = special_.sep;
  for (int64_t i = window.begin; i < window.end; ++i) *next++ = context[static_cast<size_t>(i)].id;
  *next++ = special_.sep;
  std::fill(next, ids + options_.tokens, special_.pad);
}

void SquadWindows::write_target(int64_t row, int64_t* target) const {
  const Window& window = this->window(row);
  const SquadQuestion& question = question_of(window);
  target[0] = target[1] = 0;
  if (question.answers.empty()) return;
  // Training files have one answer per question. Of several, as in dev files, the first is as good.
  const SquadAnswer& answer = question.answers.front();
  int64_t first = -1;
  int64_t last = -1;
  int64_t index = 0;
  for (const Piece& piece : pieces_of(window)) {
    const bool inside =
        piece.begin != piece.end && piece.end > answer.begin && piece.begin < answer.end;
    if (inside && first < 0) first = index;
    if (inside) last = index;
    ++index;
  }
  if (first < window.begin || last >= window.end) return;  // first is -1 if no token covers it
  target[0] = window.offset + first - window.begin;
  target[1] = window.offset + last - window.begin;
}

std::string SquadWindows::text(int64_t row, int64_t first, int64_t last) const {
  const Window& window = this->window(row);
  const std::vector<Piece>& context = pieces_of(window);
  const int64_t shift = window.begin - window.offset;
  size_t begin = static_cast<size_t>(context[static_cast<size_t>(first + shift)].begin);
  size_t end = static_cast<size_t>(context[static_cast<size_t>(last + shift)].end);
  const std::string& whole = set_.context(question_of(window));
  // If tokens are bytes, a span may begin or end inside a character.
  while (begin > 0 && is_continuation(whole[begin])) --begin;
  while (end < whole.size() && is_continuation(whole[end])) ++end;
  return std::string(trimmed(std::string_view(whole).substr(begin, end - begin)));
}

namespace {

/// The positions of the `most` largest logits of [begin, end), largest first; `which` is 0 for
/// first tokens, 1 for last ones.
std::vector<int64_t> largest(const std::vector<double>& logits, int64_t begin, int64_t end,
                             int64_t which, int64_t most) {
  std::vector<int64_t> positions(static_cast<size_t>(end - begin));
  std::iota(positions.begin(), positions.end(), begin);
  const int64_t count = std::min(most, end - begin);
  std::partial_sort(positions.begin(), positions.begin() + count, positions.end(),
                    [&](int64_t a, int64_t b) {
                      const double x = logits[static_cast<size_t>(2 * a + which)];
                      const double y = logits[static_cast<size_t>(2 * b + which)];
                      return x != y ? x > y : a < b;
                    });
  positions.resize(static_cast<size_t>(count));
  return positions;
}

}  // namespace

void AnswerFinder::add(int64_t row, const std::vector<double>& logits) {
  require(static_cast<int64_t>(logits.size()) == 2 * windows_.tokens(), "two logits per token");
  if (std::any_of(logits.begin(), logits.end(), [](double value) { return std::isnan(value); })) {
    fail_input("the model gives NaN for question '{}'; its weights are damaged",
               windows_.set().questions[static_cast<size_t>(windows_.question(row))].id);
  }
  // The least over the windows: one window that surely has an answer is evidence against "".
  const double null_score = logits[0] + logits[1];
  null_score_ = added_ == 0 ? null_score : std::min(null_score_, null_score);
  ++added_;
  const int64_t begin = windows_.context_begin(row);
  const int64_t end = windows_.context_end(row);
  const std::vector<int64_t> lasts = largest(logits, begin, end, 1, options_.n_best);
  for (const int64_t first : largest(logits, begin, end, 0, options_.n_best)) {
    for (const int64_t last : lasts) {
      if (last < first || last - first >= options_.max_tokens) continue;
      const double score =
          logits[static_cast<size_t>(2 * first)] + logits[static_cast<size_t>(2 * last + 1)];
      spans_.push_back({row, first, last, score});
    }
  }
}

QuestionAnswer AnswerFinder::answer() {
  std::stable_sort(spans_.begin(), spans_.end(),
                   [](const Span& a, const Span& b) { return a.score > b.score; });
  QuestionAnswer result;
  for (const Span& span : spans_) {
    if (static_cast<int64_t>(result.best.size()) == options_.n_best) break;
    const std::string text = windows_.text(span.row, span.first, span.last);
    // Two windows may have the same text. Its better score counts.
    const bool known = std::any_of(result.best.begin(), result.best.end(),
                                   [&](const AnswerCandidate& c) { return c.text == text; });
    if (!text.empty() && !known) result.best.push_back({text, span.score});
  }
  if (!result.best.empty()) {
    result.best_text = result.text = result.best.front().text;
    result.null_score = null_score_ - result.best.front().score;
    if (options_.unanswerable && result.null_score > options_.null_threshold) result.text.clear();
  }
  spans_.clear();
  added_ = 0;
  return result;
}

}  // namespace gmlp
