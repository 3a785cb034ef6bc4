#include "data/tasks/squad_windows.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {

SquadWindows::SquadWindows(const SquadSet& set, const Tokenizer& tokenizer,
                           const WindowOptions& options, const std::function<void()>& check_stop)
    : set_(set), options_(options), special_(tokenizer.special()) {
  check_task_tokens(tokenizer);
  // A question may take half of the row, so that a small model reads context, too.
  const int64_t room = options.tokens - 3;
  if (room < 2) {
    fail_input("sequences of {} tokens have no room for question and context; use a longer model",
               options.tokens);
  }
  const int64_t question_most = std::min(options.max_question, room / 2);
  for (const std::string& context : set.contexts) {
    if (check_stop) check_stop();
    contexts_.push_back(tokenizer.encode(context));
  }
  for (const SquadQuestion& question : set.questions) {
    if (check_stop) check_stop();
    const std::vector<int64_t> ids = tokenizer.encode_ids(question.text);
    const int64_t asked = std::min(question_most, static_cast<int64_t>(ids.size()));
    questions_.emplace_back(ids.begin(), ids.begin() + asked);
    const int64_t width = room - asked;
    const int64_t stride = std::min(options.stride, (width + 1) / 2);
    const int64_t length =
        static_cast<int64_t>(contexts_[static_cast<size_t>(question.context)].size());
    const int64_t number = static_cast<int64_t>(questions_.size()) - 1;
    for (int64_t begin = 0;; begin += stride) {
      windows_.push_back({number, begin, std::min(begin + width, length)});
      if (begin + width >= length) break;
    }
  }
}

const std::vector<Piece>& SquadWindows::pieces(const Window& window) const {
  const SquadQuestion& question = set_.questions[static_cast<size_t>(window.question)];
  return contexts_[static_cast<size_t>(question.context)];
}

int64_t SquadWindows::context_begin(int64_t row) const {
  // <cls>, the question, <sep>.
  return static_cast<int64_t>(questions_[static_cast<size_t>(question(row))].size()) + 2;
}

int64_t SquadWindows::context_end(int64_t row) const {
  const Window& window = windows_[static_cast<size_t>(row)];
  return context_begin(row) + window.end - window.begin;
}

void SquadWindows::write_ids(int64_t row, int64_t* ids) const {
  const Window& window = windows_[static_cast<size_t>(row)];
  const std::vector<int32_t>& question = questions_[static_cast<size_t>(window.question)];
  const std::vector<Piece>& context = pieces(window);
  int64_t* next = ids;
  *next++ = special_.cls;
  next = std::copy(question.begin(), question.end(), next);
  *next++ = special_.sep;
  for (int64_t i = window.begin; i < window.end; ++i) *next++ = context[static_cast<size_t>(i)].id;
  *next++ = special_.sep;
  std::fill(next, ids + options_.tokens, special_.pad);
}

void SquadWindows::write_target(int64_t row, int64_t* target) const {
  const Window& window = windows_[static_cast<size_t>(row)];
  const SquadQuestion& question = set_.questions[static_cast<size_t>(window.question)];
  target[0] = target[1] = 0;
  if (question.answers.empty()) return;
  // Training files have one answer a question; of several, as in dev files, the first is as good.
  const SquadAnswer& answer = question.answers.front();
  const std::vector<Piece>& context = pieces(window);
  int64_t first = -1;
  int64_t last = -1;
  for (int64_t i = 0; i < static_cast<int64_t>(context.size()); ++i) {
    const Piece& piece = context[static_cast<size_t>(i)];
    if (piece.begin == piece.end || piece.end <= answer.begin || piece.begin >= answer.end)
      continue;
    if (first < 0) first = i;
    last = i;
  }
  if (first < window.begin || last >= window.end) return;  // first is -1 where nothing covers it
  target[0] = context_begin(row) + first - window.begin;
  target[1] = context_begin(row) + last - window.begin;
}

std::string SquadWindows::text(int64_t row, int64_t first, int64_t last) const {
  const Window& window = windows_[static_cast<size_t>(row)];
  const std::vector<Piece>& context = pieces(window);
  const int64_t shift = window.begin - context_begin(row);
  size_t begin = static_cast<size_t>(context[static_cast<size_t>(first + shift)].begin);
  size_t end = static_cast<size_t>(context[static_cast<size_t>(last + shift)].end);
  const std::string& whole = set_.context(set_.questions[static_cast<size_t>(window.question)]);
  // Where tokens are bytes, a span may begin or end inside a character: bytes 10xxxxxx.
  while (begin > 0 && (whole[begin] & 0xC0) == 0x80) --begin;
  while (end < whole.size() && (whole[end] & 0xC0) == 0x80) ++end;
  // A piece may bring the space before its word along.
  return std::string(trimmed(std::string_view(whole).substr(begin, end - begin)));
}

namespace {

/// The positions of the `most` largest logits of [begin, end), largest first; `which` 0 for first
/// tokens, 1 for last ones.
std::vector<int64_t> largest(const std::vector<double>& logits, int64_t begin, int64_t end,
                             int64_t which, int64_t most) {
  std::vector<int64_t> positions;
  for (int64_t i = begin; i < end; ++i) positions.push_back(i);
  const int64_t kept = std::min(most, static_cast<int64_t>(positions.size()));
  std::partial_sort(positions.begin(), positions.begin() + kept, positions.end(),
                    [&](int64_t a, int64_t b) {
                      const double x = logits[static_cast<size_t>(2 * a + which)];
                      const double y = logits[static_cast<size_t>(2 * b + which)];
                      return x != y ? x > y : a < b;
                    });
  positions.resize(static_cast<size_t>(kept));
  return positions;
}

}  // namespace

void AnswerFinder::add(int64_t row, const std::vector<double>& logits) {
  require(static_cast<int64_t>(logits.size()) == 2 * windows_.tokens(), "two logits a token");
  for (const double value : logits) {
    if (std::isnan(value)) {
      fail_input("the model gives NaN for question '{}'; its weights are damaged",
                 windows_.set().questions[static_cast<size_t>(windows_.question(row))].id);
    }
  }
  // The least over the windows: any window that surely holds an answer speaks against silence.
  const double silence = logits[0] + logits[1];
  null_score_ = added_ == 0 ? silence : std::min(null_score_, silence);
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
    // Two windows give the same text twice; the better one stays.
    const bool known = std::any_of(result.best.begin(), result.best.end(),
                                   [&](const AnswerCandidate& c) { return c.text == text; });
    if (!text.empty() && !known) result.best.push_back({text, span.score});
  }
  if (!result.best.empty()) {
    result.spoken = result.text = result.best.front().text;
    result.null_score = null_score_ - result.best.front().score;
    if (options_.unanswerable && result.null_score > options_.null_threshold) result.text.clear();
  }
  spans_.clear();
  added_ = 0;
  return result;
}

}  // namespace gmlp
