#pragma once
// SQuAD v1.1 and v2.0 in their official JSON: paragraphs, questions about each, and answers that
// are parts of the paragraph.
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

}  // namespace gmlp
