#pragma once
// SQuAD's two scores, by the rules of its official programs (Rajpurkar et al. 2016, section 6.1;
// 2018).
//
//   both          compare answers without case, ASCII punctuation, the articles a, an, the, and
//                 extra space
//   exact match   1 if the two are equal
//   F1            the harmonic mean of precision and recall over the bag of words they share
//   a question    the best over the answers of all annotators; a set: the mean, in percent
//   v2.0          "" means that the context has no answer; F1 with it is 1 or 0

#include <map>
#include <string>
#include <string_view>

#include "data/tasks/squad.h"

namespace gmlp {

std::string normalized_answer(std::string_view text);
double answer_f1(std::string_view prediction, std::string_view gold);

/// Means in percent over `count` questions, and their standard errors.
struct SquadScore {
  double exact = 0;
  double f1 = 0;
  double exact_error = 0;
  double f1_error = 0;
  int64_t count = 0;
};

struct SquadScores {
  SquadScore all;
  SquadScore answerable;    // v2.0: HasAns_exact, HasAns_f1
  SquadScore unanswerable;  // v2.0: NoAns_exact, NoAns_f1
  int64_t missing = 0;      // questions without a prediction: they count as wrong
};

/// `predictions`: question id -> answer.
SquadScores score_squad(const SquadSet& set, const std::map<std::string, std::string>& predictions);

/// v2.0: the threshold on a question's null score above which "" is the better prediction, for the
/// highest F1 over the set. `answers` are the best that are not empty.
struct NullThreshold {
  double threshold = 0;
  double f1 = 0;  // percent
};
NullThreshold best_null_threshold(const SquadSet& set,
                                  const std::map<std::string, std::string>& answers,
                                  const std::map<std::string, double>& null_scores);

}  // namespace gmlp
