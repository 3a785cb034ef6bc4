#pragma once
// SQuAD's two scores, as its authors compute them (Rajpurkar et al. 2016, section 6.1; 2018).
//
//   both compare answers without case, ASCII punctuation, the words a, an, the, and extra space
//   exact match   1 where the two are the same
//   F1            harmonic mean of precision and recall over the bag of words the two share
//   a question    the best over the answers of all annotators; a set: the mean, in percent
//   v2.0          "" means "the paragraph does not say"; F1 with it is 1 or 0

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/tasks/squad.h"

namespace gmlp {

std::string normalized_answer(std::string_view text);
double answer_f1(std::string_view prediction, std::string_view gold);
inline bool answer_exact(std::string_view prediction, std::string_view gold) {
  return normalized_answer(prediction) == normalized_answer(gold);
}

/// A mean in percent over `count` questions, and the standard error of F1's and of exact match's.
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

/// v2.0: the threshold on a question's null score above which "" is the better prediction, chosen
/// for the highest F1 over the set. `answers` are the best that are not empty.
struct NullThreshold {
  double threshold = 0;
  double f1 = 0;  // percent
};
NullThreshold best_null_threshold(const SquadSet& set,
                                  const std::map<std::string, std::string>& answers,
                                  const std::map<std::string, double>& null_scores);

}  // namespace gmlp
