// The rows and answers of squad.h.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/error.h"
#include "data/tasks/squad.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

constexpr int64_t kMostWindows = 8 << 20;

/// The positions of the `most` largest logits of [begin, end). `which`: 0 first tokens, 1 last
/// ones.
std::vector<int64_t> largest(const std::vector<double>& logits, int64_t begin, int64_t end,
                             int64_t which, int64_t most) {
  std::vector<int64_t> positions(static_cast<size_t>(end - begin));
  std::iota(positions.begin(), positions.end(), begin);
  const int64_t count = std::min(most, end - begin);
  const auto key = [&](int64_t i) {
    return std::pair(-logits[static_cast<size_t>(2 * i + which)], i);
  };
  std::partial_sort(positions.begin(), positions.begin() + count, positions.end(),
                    [&](int64_t a, int64_t b) { return key(a) < key(b); });
  positions.resize(static_cast<size_t>(count));
  return positions;
}

}  // namespace

SquadWindows::SquadWindows(const SquadSet& set, const Tokenizer& tokenizer,
                           const WindowOptions& options, const std::function<void()>& check_stop)
    : set_(set), options_(options), special_(tokenizer.special()) {
  check_task_tokens(tokenizer);
  const int64_t free = options.tokens - 3;  // without <cls> and two <sep>
  if (free < 2) {
    fail_input("sequences of {} tokens are too short for question and context; use a longer model",
               options.tokens);
  }
  for (const std::string& context : set.contexts) {
    if (check_stop) check_stop();
    std::vector<Piece> pieces;
    std::vector<Token>& tokens = contexts_.emplace_back();
    for (size_t begin = 0; begin < context.size(); pieces.clear()) {
      begin = tokenizer.encode_part(context, begin, pieces);
      for (const Piece& piece : pieces) {
        tokens.push_back({static_cast<int32_t>(piece.id), static_cast<uint32_t>(piece.begin),
                          static_cast<uint32_t>(piece.end)});
        if (piece.id == special_.unknown) ++counts_.unknown;
      }
    }
    tokens.shrink_to_fit();
    counts_.tokens += std::ssize(tokens);
  }
  for (const SquadQuestion& question : set.questions) {
    if (check_stop) check_stop();
    const std::vector<int64_t> ids = tokenizer.encode_ids(question.text);
    // At most half of the row is question, so that a small model reads context, too.
    const size_t most = static_cast<size_t>(std::min(options.max_question, free / 2));
    if (ids.size() > most) ++counts_.cut;
    const auto end = ids.begin() + static_cast<int64_t>(std::min(ids.size(), most));
    questions_.push_back({{ids.begin(), end}, rows_});
    const auto [width, stride] = width_and_stride(questions_.back());
    const int64_t more = std::max<int64_t>(std::ssize(tokens_of(question)) - width, 0);
    rows_ += 1 + (more + stride - 1) / stride;
    if (rows_ <= kMostWindows) continue;
    fail_input("{}: more than {} windows; use a longer --doc-stride, or divide long contexts",
               set.path, kMostWindows);
  }
}

std::pair<int64_t, int64_t> SquadWindows::width_and_stride(const Question& question) const {
  const int64_t width = options_.tokens - 3 - std::ssize(question.ids);
  return {width, std::min(options_.stride, (width + 1) / 2)};
}

SquadWindows::Window SquadWindows::window(int64_t row) const {
  const auto after = std::upper_bound(
      questions_.begin(), questions_.end(), row,
      [](int64_t at, const Question& question) { return at < question.first_row; });
  const Question& question = *(after - 1);
  const auto [width, stride] = width_and_stride(question);
  Window window;
  window.question = after - 1 - questions_.begin();
  window.begin = (row - question.first_row) * stride;
  window.offset = std::ssize(question.ids) + 2;
  const int64_t length = std::ssize(tokens_of(question_of(window)));
  window.end = std::min(window.begin + width, length);
  return window;
}

void SquadWindows::write_ids(int64_t row, int64_t* ids) const {
  const Window window = this->window(row);
  const std::vector<int32_t>& question = questions_[static_cast<size_t>(window.question)].ids;
  const std::vector<Token>& context = tokens_of(question_of(window));
  int64_t* next = ids;
  *next++ = special_.cls;
  next = std::copy(question.begin(), question.end(), next);
  *next++ = special_.sep;
  for (int64_t i = window.begin; i < window.end; ++i) *next++ = context[static_cast<size_t>(i)].id;
  *next++ = special_.sep;
  std::fill(next, ids + options_.tokens, special_.pad);
}

void SquadWindows::write_target(int64_t row, int64_t* target) const {
  const Window window = this->window(row);
  const SquadQuestion& question = question_of(window);
  target[0] = target[1] = 0;
  if (question.answers.empty()) return;
  // Training files have one answer per question. Of several, as in dev files, the first is as good.
  const SquadAnswer& answer = question.answers.front();
  const std::vector<Token>& pieces = tokens_of(question);
  const auto overlaps = [&](const Token& piece) {
    return piece.begin != piece.end && int64_t{piece.end} > answer.begin &&
           int64_t{piece.begin} < answer.end;
  };
  const int64_t first = std::find_if(pieces.begin(), pieces.end(), overlaps) - pieces.begin();
  const int64_t end = pieces.rend() - std::find_if(pieces.rbegin(), pieces.rend(), overlaps);
  if (first < window.begin || first >= end || end > window.end) return;
  target[0] = window.offset + first - window.begin;
  target[1] = window.offset + end - 1 - window.begin;
}

std::string SquadWindows::text(int64_t row, int64_t first, int64_t last) const {
  const Window window = this->window(row);
  const std::vector<Token>& context = tokens_of(question_of(window));
  const int64_t shift = window.begin - window.offset;
  size_t begin = static_cast<size_t>(context[static_cast<size_t>(first + shift)].begin);
  size_t end = static_cast<size_t>(context[static_cast<size_t>(last + shift)].end);
  const std::string& whole = set_.context(question_of(window));
  // If tokens are bytes, a span may begin or end inside a character.
  while (begin > 0 && is_continuation(whole[begin])) --begin;
  while (end < whole.size() && is_continuation(whole[end])) ++end;
  return std::string(trimmed(std::string_view(whole).substr(begin, end - begin)));
}

void AnswerFinder::add(int64_t row, const std::vector<double>& logits) {
  require(static_cast<int64_t>(logits.size()) == 2 * windows_.tokens(), "two logits per token");
  if (std::any_of(logits.begin(), logits.end(), [](double value) { return std::isnan(value); })) {
    fail_input("the model returns NaN for question '{}'; its weights are damaged",
               windows_.set().questions[static_cast<size_t>(windows_.question(row))].id);
  }
  // The least over the windows: one window that surely has an answer is evidence against "".
  null_score_ = std::min(null_score_, logits[0] + logits[1]);
  const int64_t begin = windows_.context_begin(row);
  const int64_t end = windows_.context_end(row);
  const std::vector<int64_t> lasts = largest(logits, begin, end, 1, options_.n_best);
  for (const int64_t first : largest(logits, begin, end, 0, options_.n_best)) {
    for (const int64_t last : lasts) {
      if (last < first || last - first >= options_.max_tokens) continue;
      const double score =
          logits[static_cast<size_t>(2 * first)] + logits[static_cast<size_t>(2 * last + 1)];
      if (!answer_.best_text.empty() && score <= answer_.best_score) continue;
      const std::string text = windows_.text(row, first, last);  // "" if it is only white space
      if (text.empty()) continue;
      answer_.best_text = text;
      answer_.best_score = score;
    }
  }
}

QuestionAnswer AnswerFinder::answer() {
  QuestionAnswer result = std::exchange(answer_, {});
  const double null_score = std::exchange(null_score_, std::numeric_limits<double>::infinity());
  if (result.best_text.empty()) return result;
  result.null_score = null_score - result.best_score;
  const bool silent = options_.unanswerable && result.null_score > options_.null_threshold;
  if (!silent) result.text = result.best_text;
  return result;
}

}  // namespace gmlp
