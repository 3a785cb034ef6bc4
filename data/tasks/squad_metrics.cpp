#include "data/tasks/squad_metrics.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <utf8proc.h>

#include "core/error.h"

namespace gmlp {

namespace {

using Words = std::vector<std::string>;

bool is_word_character(utf8proc_int32_t point) {
  const utf8proc_category_t category = utf8proc_category(point);
  const bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
  const bool number = category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
  return letter || number;  // "_" has gone with the punctuation
}

// Where Python's str.split() splits: separators (Zs, Zl, Zp) and some control characters.
bool is_space(utf8proc_int32_t point) {
  const utf8proc_category_t category = utf8proc_category(point);
  return (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP) ||
         (point >= 9 && point <= 13) || (point >= 28 && point <= 31) || point == 0x85;
}

bool is_punctuation(utf8proc_int32_t point) {
  return point < 128 && std::ispunct(static_cast<int>(point)) != 0;
}

/// Lower case, without punctuation. What is not UTF-8 stays out.
std::vector<utf8proc_int32_t> lowered(std::string_view text) {
  std::vector<utf8proc_int32_t> points;
  for (size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                         static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    at += length > 0 ? static_cast<size_t>(length) : 1;
    if (length <= 0 || is_punctuation(point)) continue;
    // The only letter that one letter is not the lower case of: Python makes two of it.
    if (point == 0x130) points.push_back('i');
    points.push_back(point == 0x130 ? 0x307 : utf8proc_tolower(point));
  }
  return points;
}

/// Articles stand between word boundaries, as a regular expression's \b sees them: "a" is one in
/// "a–b" as well. Each becomes a space.
void remove_articles(std::vector<utf8proc_int32_t>& points) {
  for (size_t begin = 0; begin < points.size();) {
    size_t end = begin;
    while (end < points.size() && is_word_character(points[end])) ++end;
    const std::u32string word(points.begin() + static_cast<std::ptrdiff_t>(begin),
                              points.begin() + static_cast<std::ptrdiff_t>(end));
    if (word == U"a" || word == U"an" || word == U"the") {
      std::fill(points.begin() + static_cast<std::ptrdiff_t>(begin),
                points.begin() + static_cast<std::ptrdiff_t>(end), ' ');
    }
    begin = std::max(end, begin + 1);
  }
}

Words answer_words(std::string_view text) {
  std::vector<utf8proc_int32_t> points = lowered(text);
  remove_articles(points);
  Words words;
  bool inside = false;
  for (const utf8proc_int32_t point : points) {
    if (is_space(point)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t length = utf8proc_encode_char(point, bytes);
    words.back().append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
  }
  return words;
}

double words_f1(Words prediction, Words gold) {
  if (prediction.empty() || gold.empty()) return prediction.empty() == gold.empty() ? 1 : 0;
  std::sort(prediction.begin(), prediction.end());
  std::sort(gold.begin(), gold.end());
  Words shared;
  std::set_intersection(prediction.begin(), prediction.end(), gold.begin(), gold.end(),
                        std::back_inserter(shared));
  const double same = static_cast<double>(shared.size());
  return 2 * same / static_cast<double>(prediction.size() + gold.size());
}

struct QuestionScore {
  double exact = 0;
  double f1 = 0;
};

/// The best over the annotators' answers. The two official programs differ for an answer that is
/// nothing but articles and punctuation: v2.0's drops it, v1.1's gives it an F1 of 0.
QuestionScore score_question(const SquadSet& set, const SquadQuestion& question,
                             std::string_view prediction) {
  const Words words = answer_words(prediction);
  QuestionScore best;
  bool any = false;
  for (const SquadAnswer& answer : question.answers) {
    const Words gold = answer_words(set.answer_text(question, answer));
    if (gold.empty() && set.unanswerable) continue;
    any = true;
    best.exact = std::max(best.exact, words == gold ? 1.0 : 0.0);
    if (!gold.empty()) best.f1 = std::max(best.f1, words_f1(words, gold));
  }
  if (!any) best.exact = best.f1 = words.empty() ? 1 : 0;
  return best;
}

/// Adds questions up, then divides.
class Sum {
 public:
  void add(const QuestionScore& score) {
    ++count_;
    exact_ += score.exact;
    f1_ += score.f1;
    f1_squares_ += score.f1 * score.f1;
  }
  SquadScore mean() const {
    SquadScore result;
    result.count = count_;
    if (count_ == 0) return result;
    const double n = static_cast<double>(count_);
    const double p = exact_ / n;
    const double f1 = f1_ / n;
    result.exact = 100 * p;
    result.f1 = 100 * f1;
    result.exact_error = 100 * std::sqrt(p * (1 - p) / n);
    result.f1_error = 100 * std::sqrt(std::max(0.0, f1_squares_ / n - f1 * f1) / n);
    return result;
  }

 private:
  int64_t count_ = 0;
  double exact_ = 0;
  double f1_ = 0;
  double f1_squares_ = 0;
};

}  // namespace

std::string normalized_answer(std::string_view text) {
  return fmt::format("{}", fmt::join(answer_words(text), " "));
}

double answer_f1(std::string_view prediction, std::string_view gold) {
  return words_f1(answer_words(prediction), answer_words(gold));
}

SquadScores score_squad(const SquadSet& set,
                        const std::map<std::string, std::string>& predictions) {
  Sum all;
  Sum answerable;
  Sum unanswerable;
  SquadScores scores;
  for (const SquadQuestion& question : set.questions) {
    QuestionScore score;
    const auto found = predictions.find(question.id);
    if (found == predictions.end()) {
      ++scores.missing;
    } else {
      score = score_question(set, question, found->second);
    }
    all.add(score);
    (question.impossible ? unanswerable : answerable).add(score);
  }
  scores.all = all.mean();
  scores.answerable = answerable.mean();
  scores.unanswerable = unanswerable.mean();
  return scores;
}

NullThreshold best_null_threshold(const SquadSet& set,
                                  const std::map<std::string, std::string>& answers,
                                  const std::map<std::string, double>& null_scores) {
  // Begin with "" everywhere, then raise the threshold over one question after the other.
  struct Gain {
    double null_score;
    double f1;
  };
  std::vector<Gain> gains;
  double f1 = 0;
  for (const SquadQuestion& question : set.questions) {
    const double silent = score_question(set, question, "").f1;
    const double spoken = score_question(set, question, answers.at(question.id)).f1;
    f1 += silent;
    gains.push_back({null_scores.at(question.id), spoken - silent});
  }
  std::sort(gains.begin(), gains.end(),
            [](const Gain& a, const Gain& b) { return a.null_score < b.null_score; });
  NullThreshold best;
  if (gains.empty()) return best;
  best = {gains.front().null_score - 1, f1};
  for (size_t i = 0; i < gains.size(); ++i) {
    f1 += gains[i].f1;
    const bool tie = i + 1 < gains.size() && gains[i + 1].null_score <= gains[i].null_score;
    // "" is predicted above the threshold, so this question's own score still speaks.
    if (!tie && f1 > best.f1) best = {gains[i].null_score, f1};
  }
  best.f1 *= 100 / static_cast<double>(gains.size());
  return best;
}

}  // namespace gmlp
