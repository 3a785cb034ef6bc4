#pragma once
// SQuAD v1.1 and v2.0 in their official JSON: paragraphs, questions on each, and answers that are
// pieces of the paragraph.
//
//   {"version": "1.1", "data": [{"title": ..., "paragraphs": [{"context": TEXT, "qas": [
//     {"id": ..., "question": TEXT, "is_impossible": false,
//      "answers": [{"text": TEXT, "answer_start": N}, ...]}, ...]}, ...]}, ...]}

#include <cstdint>
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
  int64_t context = 0;               // which of SquadSet::contexts
  bool impossible = false;           // v2: the paragraph does not answer it
  std::vector<SquadAnswer> answers;  // several annotators' in dev files; empty if impossible
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
  bool answered = true;       // else answers are not looked at: files to predict for
};

/// Every answer is compared with the context at its place; a difference is an InputError that names
/// the question's id. So are an id that stands twice, a question without an answer, and JSON nested
/// deeper than 64 levels. Keys that are none of the above are skipped.
SquadSet read_squad(const std::string& path, const SquadReading& reading);

}  // namespace gmlp
