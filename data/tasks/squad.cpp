// SQuAD's files as rows of ids, answers from logits, and their scores. A bad question is left out,
// and its paragraph's others are read.
#include "data/tasks/squad.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include <utf8proc.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {
namespace {

constexpr int64_t kMostWindows = 2 << 20;

using FastJson = nlohmann::json;  // objects of many keys are slow in an ordered_json

/// `object[key]`, a value of this type. Errors begin with `place`.
const FastJson& member(const FastJson& object, const char* key, std::string_view type,
                       const std::string& place) {
  if (!object.is_object()) {
    fail_input("{}: a value of type {} where an object belongs; is this a SQuAD file?", place,
               object.type_name());
  }
  const auto found = object.find(key);
  refuse_if(found == object.end(), "{}: has no '{}'; is this a SQuAD file?", place, key);
  if (found->type_name() == type) return *found;
  fail_input("{}: '{}' is of type {}, not {}; correct it", place, key, found->type_name(), type);
}

std::string text_of(const FastJson& object, const char* key, const std::string& place) {
  std::string text = member(object, key, "string", place).get<std::string>();
  refuse_if(text.find('\0') != text.npos, "{}: '{}' has a NUL; remove it", place, key);
  if (!trimmed(text).empty()) return text;
  fail_input("{}: '{}' is empty; add its text or remove its entry", place, key);
}

class SquadReader {
 public:
  SquadReader(const std::string& path, const SquadReading& reading) : reading_(reading) {
    set_.path = path;
    set_.unanswerable = reading.unanswerable;
    set_.bad.allowed = reading.skip_bad;
  }

  SquadSet read(const FastJson& file) {
    for (const FastJson& article : member(file, "data", "array", set_.path)) {
      for (const FastJson& paragraph : member(article, "paragraphs", "array", set_.path)) {
        add_paragraph(paragraph);
      }
    }
    return std::move(set_);
  }

 private:
  void add_paragraph(const FastJson& paragraph) {
    const std::string place = fmt::format("{}: paragraph {}", set_.path, set_.contexts.size() + 1);
    const std::string& context = set_.contexts.emplace_back(text_of(paragraph, "context", place));
    begins_.clear();
    for (size_t at = 0; at < context.size(); ++at) {
      if (!is_continuation(context[at])) begins_.push_back(at);
    }
    for (const FastJson& entry : member(paragraph, "qas", "array", place)) {
      set_.bad.attempt([&] { set_.questions.push_back(read_question(entry, place)); });
    }
  }

  SquadQuestion read_question(const FastJson& entry, const std::string& paragraph) {
    SquadQuestion question;
    const bool number = entry.contains("id") && entry["id"].is_number();
    question.id = number ? entry["id"].dump() : text_of(entry, "id", paragraph);
    question.context = std::ssize(set_.contexts) - 1;
    const std::string place = fmt::format("{}: question '{}'", set_.path, printable(question.id));
    question.text = text_of(entry, "question", place);
    if (reading_.answered) add_answers(entry, place, question);
    if (ids_.insert(question.id).second) return question;
    fail_input("{}: another question has this id; ids must differ", place);
  }

  void add_answers(const FastJson& entry, const std::string& place, SquadQuestion& question) {
    question.impossible = entry.contains("is_impossible") &&
                          member(entry, "is_impossible", "boolean", place).get<bool>();
    refuse_if(question.impossible && !set_.unanswerable,
              "{}: is impossible, which v1.1 does not have; use --task squad2", place);
    if (entry.contains("answers")) {
      for (const FastJson& answer : member(entry, "answers", "array", place)) {
        question.answers.push_back(find_answer(answer, place));
      }
    }
    if (question.answers.empty() == question.impossible) return;
    fail_input("{}: {}; correct or remove it", place,
               question.impossible ? "is impossible and has an answer" : "has no answer");
  }

  /// The answer at its answer_start, or nearest to it.
  SquadAnswer find_answer(const FastJson& answer, const std::string& place) {
    const std::string& context = set_.contexts.back();
    const std::string text = text_of(answer, "text", place);
    const double start = member(answer, "answer_start", "number", place).get<double>();
    const double last = static_cast<double>(begins_.size() - 1);
    size_t at = begins_[static_cast<size_t>(std::clamp(start, 0.0, last))];
    if (context.compare(at, text.size(), text) != 0) {
      const size_t before = context.rfind(text, at);
      const size_t after = context.find(text, at);
      if (before == after) {  // neither is there
        fail_input("{}: the context does not have its answer '{}'; correct or remove it", place,
                   printable(text));
      }
      // An absent one is std::string::npos, the largest number.
      at = before != context.npos && at - before <= after - at ? before : after;
      ++set_.moved;
    }
    return {static_cast<int64_t>(at), static_cast<int64_t>(at + text.size())};
  }

  SquadReading reading_;
  SquadSet set_;
  std::vector<size_t> begins_;  // the byte of the last context at which each character begins
  std::unordered_set<std::string> ids_;
};

bool is_word_character(char32_t point) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(point));
  const bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
  return letter || (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

// Where Python's str.split() splits: separators (Zs, Zl, Zp) and some control characters.
bool is_space(char32_t point) {
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(point));
  return (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP) ||
         (point >= 9 && point <= 13) || (point >= 28 && point <= 31) || point == 0x85;
}

/// The text in lower case, without ASCII punctuation and without what is not UTF-8.
std::u32string lowered(std::string_view text) {
  std::u32string points;
  for (int64_t at = 0; at < std::ssize(text);) {
    const Utf8Char character = utf8_at(text, at);
    at += std::max<int64_t>(character.size, 1);
    const char32_t point = character.code;
    const bool dropped = point < 128 && std::ispunct(static_cast<int>(point)) != 0;
    if (character.size == 0 || dropped) continue;
    if (point == U'\u0130') {
      points += U"i\u0307";  // the only letter whose lower case in Python is two characters
    } else {
      points += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(point)));
    }
  }
  return points;
}

struct QuestionScore {
  double exact = 0, f1 = 0;
};

/// The best over the annotators' answers. The two official programs differ for an answer of nothing
/// but articles and punctuation: v2.0's drops it, v1.1's scores it with an F1 of 0.
QuestionScore score_question(const SquadSet& set, const SquadQuestion& question,
                             std::string_view text) {
  const std::vector<std::string> prediction = answer_words(text);
  QuestionScore best;
  bool any = false;
  for (const SquadAnswer& answer : question.answers) {
    const std::vector<std::string> gold = answer_words(set.answer_text(question, answer));
    if (gold.empty() && set.unanswerable) continue;
    any = true;
    if (prediction == gold) best.exact = 1;
    if (!gold.empty()) best.f1 = std::max(best.f1, answer_f1(prediction, gold));
  }
  if (!any) best.exact = best.f1 = prediction.empty() ? 1 : 0;
  return best;
}

/// Exact match is 0 or 1 per question, so its standard error is sqrt(p (1 - p) / n).
SquadScore mean_of(const std::vector<QuestionScore>& scores) {
  if (scores.empty()) return {};
  const double n = static_cast<double>(scores.size());
  double exact = 0, f1 = 0, squares = 0;
  for (const QuestionScore& score : scores) {
    exact += score.exact;
    f1 += score.f1;
    squares += score.f1 * score.f1;
  }
  exact /= n;
  f1 /= n;
  return {.exact = 100 * exact,
          .exact_error = 100 * std::sqrt(exact * (1 - exact) / n),
          .f1 = 100 * f1,
          .f1_error = 100 * std::sqrt(std::max(0.0, squares / n - f1 * f1) / n),
          .count = std::ssize(scores)};
}

}  // namespace

SquadSet read_squad(const std::string& path, const SquadReading& reading) {
  const std::string text = read_text(path);
  check_json_limits(text, path);
  FastJson file;
  try {
    file = FastJson::parse(text);
  } catch (const FastJson::exception& error) {
    fail_input("{}: is not JSON: {}; download it again", path, json_reason(error));
  }
  SquadSet set = SquadReader(path, reading).read(file);
  refuse_if(set.questions.empty(), "{}: no questions; is this a SQuAD file?", path);
  return set;
}

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

void update_answer(const SquadWindows& windows, int64_t row, const std::vector<double>& logits,
                   const AnswerOptions& options, QuestionAnswer& answer) {
  require(std::ssize(logits) == 2 * windows.tokens(), "two logits per token");
  const SquadWindows::Window& window = windows.window(row);
  if (std::ranges::any_of(logits, [](double value) { return std::isnan(value); })) {
    fail_input("the model returns NaN for question '{}'; its weights are damaged",
               windows.set().questions[static_cast<size_t>(window.question)].id);
  }
  answer.null_score = std::min(answer.null_score, logits[0] + logits[1]);
  const int64_t end = window.offset + window.end - window.begin;
  for (int64_t first = window.offset; first < end; ++first) {
    for (int64_t last = first; last < std::min(end, first + options.max_tokens); ++last) {
      const double score =
          logits[static_cast<size_t>(2 * first)] + logits[static_cast<size_t>(2 * last + 1)];
      if (!answer.best_text.empty() && score <= answer.best_score) continue;
      const std::string text = windows.text(row, first, last);  // "" if it is only white space
      if (text.empty()) continue;
      answer.best_text = text;
      answer.best_score = score;
    }
  }
  const bool silent = windows.set().unanswerable && answer.null_margin() > options.null_threshold;
  answer.text = silent ? "" : answer.best_text;
}

std::vector<std::string> answer_words(std::string_view text) {
  const std::u32string points = lowered(text);
  std::vector<std::string> words;
  bool inside = false;
  for (size_t begin = 0, end = 0; begin < points.size(); begin = end) {
    // Articles end at word boundaries (regex \b): the "a" of "a–b" is one.
    while (end < points.size() && is_word_character(points[end])) ++end;
    end = std::max(end, begin + 1);
    const std::u32string_view word = std::u32string_view(points).substr(begin, end - begin);
    const bool gap = word == U"a" || word == U"an" || word == U"the" || is_space(word[0]);
    if (!gap && !inside) words.emplace_back();
    for (const char32_t point : word) {
      if (!gap) append_utf8(words.back(), point);
    }
    inside = !gap;
  }
  return words;
}

double answer_f1(std::vector<std::string> a, std::vector<std::string> b) {
  if (a.empty() || b.empty()) return a == b ? 1 : 0;
  std::vector<std::string> shared;
  std::ranges::sort(a);
  std::ranges::sort(b);
  std::ranges::set_intersection(a, b, std::back_inserter(shared));
  return 2 * static_cast<double>(shared.size()) / static_cast<double>(a.size() + b.size());
}

SquadScores score_squad(const SquadSet& set, const std::vector<QuestionAnswer>& answers) {
  std::vector<QuestionScore> all, answerable, unanswerable;
  for (size_t i = 0; i < answers.size(); ++i) {
    const SquadQuestion& question = set.questions[i];
    all.push_back(score_question(set, question, answers[i].text));
    (question.impossible ? unanswerable : answerable).push_back(all.back());
  }
  return {.all = mean_of(all),
          .answerable = mean_of(answerable),
          .unanswerable = mean_of(unanswerable)};
}

}  // namespace gmlp
