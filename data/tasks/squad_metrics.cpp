// The scores of squad.h.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>

#include <utf8proc.h>

#include "data/tasks/squad.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

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

/// Replaces articles by spaces. They end at word boundaries (regex \b): the "a" of "a–b" is one.
void remove_articles(std::u32string& points) {
  for (size_t begin = 0; begin < points.size();) {
    size_t end = begin;
    while (end < points.size() && is_word_character(points[end])) ++end;
    const std::u32string word = points.substr(begin, end - begin);
    const bool article = word == U"a" || word == U"an" || word == U"the";
    if (article) points.replace(begin, word.size(), word.size(), U' ');
    begin = std::max(end, begin + 1);
  }
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

std::vector<std::string> answer_words(std::string_view text) {
  std::u32string points = lowered(text);
  remove_articles(points);
  std::vector<std::string> words;
  bool inside = false;
  for (const char32_t point : points) {
    const bool space = is_space(point);
    if (!space && !inside) words.emplace_back();
    if (!space) append_utf8(words.back(), point);
    inside = !space;
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

NullThreshold best_null_threshold(const SquadSet& set, const std::vector<QuestionAnswer>& answers) {
  // Start with "" for every question, then raise the threshold over one question after the other.
  std::vector<std::pair<double, double>>
      gains;  // the null margin, and F1 with the answer - with ""
  double f1 = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    const double without = score_question(set, set.questions[i], "").f1;
    const double with = score_question(set, set.questions[i], answers[i].best_text).f1;
    f1 += without;
    gains.emplace_back(answers[i].null_margin(), with - without);
  }
  if (gains.empty()) return {};
  std::ranges::sort(gains, [](const auto& a, const auto& b) { return a.first < b.first; });
  NullThreshold best = {gains.front().first - 1, f1};
  for (size_t i = 0; i < gains.size(); ++i) {
    f1 += gains[i].second;
    const bool tie = i + 1 < gains.size() && gains[i + 1].first <= gains[i].first;
    // "" is predicted above the threshold, so a question at the threshold keeps its answer.
    if (!tie && f1 > best.f1) best = {gains[i].first, f1};
  }
  best.f1 *= 100 / static_cast<double>(gains.size());
  return best;
}

}  // namespace gmlp
