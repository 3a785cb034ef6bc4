#pragma once
// SQuAD v1.1 and v2.0 in their official JSON: paragraphs, questions about each, and answers that
// are parts of the paragraph.
//
//   {"version": "1.1", "data": [{"title": ..., "paragraphs": [{"context": TEXT, "qas": [
//     {"id": ..., "question": TEXT, "is_impossible": false,
//      "answers": [{"text": TEXT, "answer_start": N}, ...]}, ...]}, ...]}, ...]}

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// Bytes [begin, end) of the context. The file counts characters (code points) instead.
struct SquadAnswer {
  int64_t begin = 0;
  int64_t end = 0;
};

struct SquadQuestion {
  std::string id;
  std::string text;
  int64_t context = 0;               // index in SquadSet::contexts
  bool impossible = false;           // v2.0: the context has no answer
  std::vector<SquadAnswer> answers;  // in dev files one per annotator; empty if impossible
};

struct SquadSet {
  std::string path;
  bool unanswerable = false;  // v2.0
  std::vector<std::string> contexts;
  std::vector<SquadQuestion> questions;

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
};

/// Skips keys that are not in the layout above. Throws InputError naming the question or the
/// paragraph, e.g. if an answer differs from the context at its position, two questions have the
/// same id, or a question has no answer.
SquadSet read_squad(const std::string& path, const SquadReading& reading);

// SQuAD's two scores (squad_metrics.cpp), by the rules of its official programs (Rajpurkar et al.
// 2016, section 6.1; 2018).
//
//   both          compare answers without case, ASCII punctuation, the articles a, an, the, and
//                 extra space
//   exact match   1 if the two are equal
//   F1            the harmonic mean of precision and recall over the bag of words they share
//   a question    the best over the answers of all annotators; a set: the mean, in percent
//   v2.0          "" means that the context has no answer; F1 with it is 1 or 0

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
