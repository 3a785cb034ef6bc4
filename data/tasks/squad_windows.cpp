// The rows and answers of squad.h.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "data/tasks/squad.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

constexpr int64_t kMostWindows = 2 << 20;

}  // namespace

SquadWindows::SquadWindows(const SquadSet& set, const Tokenizer& tokenizer,
                           const WindowOptions& options, const std::function<void()>& check_stop)
    : TaskRows(tokenizer, options.tokens), set_(set) {
  const int64_t free = options.tokens - 3;  // without <cls> and two <sep>
  refuse_if(free < 2,
            "sequences of {} tokens are too short for question and context; use a longer model",
            options.tokens);
  for (const std::string& context : set.contexts) {
    if (check_stop) check_stop();
    std::vector<Token>& tokens = contexts_.emplace_back();
    for (const Piece& piece : tokenizer.encode(context)) {
      tokens.push_back({static_cast<int32_t>(piece.id), static_cast<uint32_t>(piece.begin),
                        static_cast<uint32_t>(piece.end)});
      if (piece.id == special_.unknown) ++counts_.unknown;
    }
    tokens.shrink_to_fit();
    counts_.tokens += std::ssize(tokens);
  }
  for (const SquadQuestion& question : set.questions) {
    if (check_stop) check_stop();
    const std::vector<int64_t> ids = tokenizer.encode_ids(question.text);
    // At most half of the row is question, so that a small model reads context, too.
    const int64_t most = std::min(options.max_question, free / 2);
    if (std::ssize(ids) > most) ++counts_.cut;
    const int64_t kept = std::min(std::ssize(ids), most);
    Window window{.question = static_cast<int32_t>(std::ssize(questions_)),
                  .begin = 0,
                  .end = 0,
                  .offset = static_cast<int32_t>(kept + 2)};
    questions_.emplace_back(ids.begin(), ids.begin() + kept);
    const int64_t length = std::ssize(tokens_of(question));
    const int64_t width = free - kept;
    const int64_t stride = std::min(options.stride, (width + 1) / 2);
    for (int64_t begin = 0; begin == 0 || window.end < length; begin += stride) {
      refuse_if(size() == kMostWindows,
                "{}: more than {} windows; use a longer --doc-stride, or divide long contexts",
                set.path, kMostWindows);
      window.begin = static_cast<int32_t>(begin);
      window.end = static_cast<int32_t>(std::min(begin + width, length));
      windows_.push_back(window);
    }
  }
}

TaskRow SquadWindows::row(int64_t index) const {
  const Window& window = this->window(index);
  const SquadQuestion& question = question_of(window);
  const std::vector<Token>& pieces = tokens_of(question);
  const std::vector<int32_t>& ids = questions_[static_cast<size_t>(window.question)];
  TaskRow row{{special_.cls}, {0, 0}};
  row.ids.insert(row.ids.end(), ids.begin(), ids.end());
  row.ids.push_back(special_.sep);
  for (int64_t i = window.begin; i < window.end; ++i) {
    row.ids.push_back(pieces[static_cast<size_t>(i)].id);
  }
  row.ids.push_back(special_.sep);
  row.ids.resize(static_cast<size_t>(tokens_), special_.pad);
  if (question.answers.empty()) return row;
  // Training files have one answer per question. Of several, as in dev files, the first is as good.
  const SquadAnswer& answer = question.answers.front();
  const auto overlaps = [&](const Token& piece) {
    return piece.begin != piece.end && int64_t{piece.end} > answer.begin &&
           int64_t{piece.begin} < answer.end;
  };
  const int64_t first = std::ranges::find_if(pieces, overlaps) - pieces.begin();
  const int64_t end = pieces.rend() - std::find_if(pieces.rbegin(), pieces.rend(), overlaps);
  const int64_t shift = window.offset - window.begin;
  if (window.begin <= first && first < end && end <= window.end) {
    row.target = {first + shift, end - 1 + shift};
  }
  return row;
}

std::string SquadWindows::text(int64_t row, int64_t first, int64_t last) const {
  const Window& window = this->window(row);
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
  require(std::ssize(logits) == 2 * windows_.tokens(), "two logits per token");
  const SquadWindows::Window& window = windows_.window(row);
  if (std::ranges::any_of(logits, [](double value) { return std::isnan(value); })) {
    fail_input("the model returns NaN for question '{}'; its weights are damaged",
               windows_.set().questions[static_cast<size_t>(window.question)].id);
  }
  // The least over the windows: one window that surely has an answer is evidence against "".
  null_score_ = std::min(null_score_, logits[0] + logits[1]);
  const int64_t end = window.offset + window.end - window.begin;
  for (int64_t first = window.offset; first < end; ++first) {
    for (int64_t last = first; last < std::min(end, first + options_.max_tokens); ++last) {
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
  const bool silent = windows_.set().unanswerable && result.null_score > options_.null_threshold;
  if (!silent) result.text = result.best_text;
  return result;
}

}  // namespace gmlp
