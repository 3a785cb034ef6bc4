// nlohmann's parser calls SquadReader for every token: no tree of the file is made, so memory is
// bounded by the texts, keys that stand twice are seen, and what the format does not have is
// skipped without being kept. Depth is counted: the parser itself has no limit.
#include "data/tasks/squad.h"

#include <array>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

constexpr size_t kMaxDepth = 64;  // the format has 9

enum class Place : uint8_t {
  kFile,
  kTop,         // object
  kData,        // array
  kArticle,     // object
  kParagraphs,  // array
  kParagraph,   // object
  kQas,         // array
  kQuestion,    // object
  kAnswers,     // array
  kAnswer,      // object
  kSkipped,     // whatever is below a key that is not ours
};

enum class Kind : uint8_t { kString, kNumber, kBoolean, kArray, kObject, kNull };

struct Known {
  Place object;
  std::string_view key;
  Kind kind;
  Place below = Place::kSkipped;  // what an array is
};

constexpr std::array<Known, 10> kKnown = {{
    {Place::kTop, "data", Kind::kArray, Place::kData},
    {Place::kArticle, "paragraphs", Kind::kArray, Place::kParagraphs},
    {Place::kParagraph, "context", Kind::kString},
    {Place::kParagraph, "qas", Kind::kArray, Place::kQas},
    {Place::kQuestion, "id", Kind::kString},
    {Place::kQuestion, "question", Kind::kString},
    {Place::kQuestion, "is_impossible", Kind::kBoolean},
    {Place::kQuestion, "answers", Kind::kArray, Place::kAnswers},
    {Place::kAnswer, "text", Kind::kString},
    {Place::kAnswer, "answer_start", Kind::kNumber},
}};

/// From a number of characters to a number of bytes. Remembers every 64th character, so that one
/// long context with many answers does not take quadratic time.
class CharacterIndex {
 public:
  explicit CharacterIndex(const std::string& text) : text_(text) {
    for (size_t at = 0; at < text.size(); ++at) {
      if (!begins_character(at)) continue;
      if (count_ % 64 == 0) marks_.push_back(at);
      ++count_;
    }
  }
  /// -1 beyond the text.
  int64_t byte_of(int64_t character) const {
    if (character >= count_) return -1;
    size_t at = marks_[static_cast<size_t>(character / 64)];
    for (int64_t left = character % 64; left > 0; --left) {
      do ++at;
      while (!begins_character(at));
    }
    return static_cast<int64_t>(at);
  }

 private:
  // Bytes 10xxxxxx continue a character.
  bool begins_character(size_t at) const { return (text_[at] & 0xC0) != 0x80; }

  const std::string& text_;
  std::vector<size_t> marks_;
  int64_t count_ = 0;
};

class SquadReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  SquadReader(const std::string& path, const SquadReading& reading) : reading_(reading) {
    set_.path = path;
    set_.unanswerable = reading.unanswerable;
    levels_.push_back({Place::kFile, 0});
  }

  SquadSet take() { return std::move(set_); }

  bool null() override { return expect(Kind::kNull, "null"); }
  bool number_integer(number_integer_t /*value*/) override {
    return expect(Kind::kNull, "a negative number");
  }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return expect(Kind::kNull, "not an integer");
  }
  bool binary(binary_t& /*value*/) override { return expect(Kind::kNull, "binary data"); }

  bool boolean(bool value) override {
    expect(Kind::kBoolean, "true or false");
    if (known_ != nullptr && place() == Place::kQuestion) question_.impossible = value;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    expect(Kind::kNumber, "a number");
    if (known_ == nullptr || place() != Place::kAnswer) return true;
    if (value > static_cast<uint64_t>(INT64_MAX)) fail("answer_start {} is too large", value);
    answer_.start = static_cast<int64_t>(value);
    return true;
  }

  bool string(string_t& value) override {
    expect(Kind::kString, "a string");
    if (known_ == nullptr) return true;
    if (value.find('\0') != std::string::npos) fail("'{}' has a NUL; remove it", known_->key);
    if (trimmed(value).empty())
      fail("'{}' is empty; give it text or remove its entry", known_->key);
    std::string& into = known_->key == "context"    ? context_
                        : known_->key == "id"       ? question_.id
                        : known_->key == "question" ? question_.text
                                                    : answer_.text;
    into = std::move(value);
    return true;
  }

  bool key(string_t& name) override {
    known_ = nullptr;
    for (size_t i = 0; i < kKnown.size(); ++i) {
      if (kKnown[i].object != place() || kKnown[i].key != name) continue;
      known_ = &kKnown[i];
      const uint32_t bit = 1U << i;
      if ((levels_.back().seen & bit) != 0) fail("has '{}' twice; remove one", known_->key);
      levels_.back().seen |= bit;
    }
    return true;
  }

  bool start_object(size_t /*elements*/) override {
    switch (place()) {
      case Place::kFile:
        return enter(Place::kTop);
      case Place::kData:
        return enter(Place::kArticle);
      case Place::kParagraphs:
        return enter(Place::kParagraph);
      case Place::kQas:
        question_ = {};
        return enter(Place::kQuestion);
      case Place::kAnswers:
        answer_ = {};
        return enter(Place::kAnswer);
      default:
        expect(Kind::kObject, "an object");
        return enter(Place::kSkipped);
    }
  }

  bool start_array(size_t /*elements*/) override {
    expect(Kind::kArray, "an array");
    return enter(known_ != nullptr ? known_->below : Place::kSkipped);
  }

  bool end_array() override { return leave(); }

  bool end_object() override {
    switch (place()) {
      case Place::kTop:
        require_key("data");
        break;
      case Place::kArticle:
        require_key("paragraphs");
        break;
      case Place::kParagraph:
        end_paragraph();
        break;
      case Place::kQuestion:
        end_question();
        break;
      case Place::kAnswer:
        end_answer();
        break;
      default:
        break;
    }
    return leave();
  }

  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    fail_input("{}: not JSON at byte {}: {}; download it again", set_.path, position,
               json_reason(error));
  }

 private:
  struct Level {
    Place place;
    uint32_t seen;  // bits of kKnown
  };
  struct Answer {
    std::string text;
    int64_t start = 0;    // characters
    size_t question = 0;  // of set_.questions
  };

  Place place() const { return levels_.back().place; }

  bool enter(Place below) {
    if (levels_.size() > kMaxDepth) {
      fail("nested deeper than {} levels; is this a SQuAD file?", kMaxDepth);
    }
    levels_.push_back({below, 0});
    known_ = nullptr;
    return true;
  }

  bool leave() {
    levels_.pop_back();
    known_ = nullptr;
    return true;
  }

  /// A value of this kind is here. Below a key that is not ours everything may stand; `known_` is
  /// null there.
  bool expect(Kind kind, const char* what) {
    switch (place()) {
      case Place::kFile:
        fail("is {}, not an object; is this a SQuAD file?", what);
      case Place::kData:
      case Place::kParagraphs:
      case Place::kQas:
      case Place::kAnswers:
        fail("{} where an object belongs; is this a SQuAD file?", what);
      default:
        break;
    }
    if (known_ != nullptr && known_->kind != kind) {
      fail("'{}' is {}; download the file again", known_->key, what);
    }
    return true;
  }

  void require_key(std::string_view key) const {
    for (size_t i = 0; i < kKnown.size(); ++i) {
      if (kKnown[i].object != place() || kKnown[i].key != key) continue;
      if ((levels_.back().seen >> i & 1U) == 0) fail("no '{}'; is this a SQuAD file?", key);
    }
  }

  void end_answer() {
    require_key("text");
    require_key("answer_start");
    answer_.question = set_.questions.size();  // where end_question() will put it
    if (reading_.answered) answers_.push_back(std::move(answer_));
  }

  void end_question() {
    require_key("id");
    require_key("question");
    const bool has_answers = !answers_.empty() && answers_.back().question == set_.questions.size();
    if (question_.impossible && !reading_.unanswerable) {
      fail("is impossible, which v1.1 does not have; use --task squad2");
    }
    if (reading_.answered && has_answers == question_.impossible) {
      fail("{}; correct or remove it",
           has_answers ? "is impossible and has an answer" : "has no answer");
    }
    if (!ids_.insert(question_.id).second) fail("this id stands twice; ids must differ");
    question_.context = static_cast<int64_t>(set_.contexts.size());  // end_paragraph()'s
    if (!reading_.answered) question_.impossible = false;
    set_.questions.push_back(std::move(question_));
    question_ = {};
  }

  /// The context may stand behind its questions, so answers are looked up at the paragraph's end.
  void end_paragraph() {
    require_key("context");
    require_key("qas");
    const CharacterIndex index(context_);
    for (const Answer& answer : answers_) {
      SquadQuestion& question = set_.questions[answer.question];
      question_.id = question.id;  // for messages
      const int64_t begin = index.byte_of(answer.start);
      if (begin < 0 ||
          context_.compare(static_cast<size_t>(begin), answer.text.size(), answer.text) != 0) {
        fail("the context has not its answer '{}' at character {}; correct answer_start",
             printable(answer.text), answer.start);
      }
      question.answers.push_back({begin, begin + static_cast<int64_t>(answer.text.size())});
    }
    question_.id.clear();
    answers_.clear();
    set_.contexts.push_back(std::move(context_));
    context_.clear();
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string reason = fmt::format(format, std::forward<Args>(args)...);
    if (!question_.id.empty()) {
      fail_input("{}: question '{}': {}", set_.path, printable(question_.id), reason);
    }
    fail_input("{}: paragraph {}: {}", set_.path, set_.contexts.size() + 1, reason);
  }

  SquadReading reading_;
  SquadSet set_;
  std::vector<Level> levels_;
  const Known* known_ = nullptr;  // the key whose value comes; null: not ours
  std::string context_;           // of the paragraph
  SquadQuestion question_;        // being read
  Answer answer_;                 // being read
  std::vector<Answer> answers_;   // of the paragraph
  std::unordered_set<std::string> ids_;
};

}  // namespace

SquadSet read_squad(const std::string& path, const SquadReading& reading) {
  const std::string text = read_text(path);
  check_lines(text, path);
  SquadReader reader(path, reading);
  nlohmann::json::sax_parse(text.begin() + (text.starts_with(kByteOrderMark) ? 3 : 0), text.end(),
                            &reader);
  SquadSet set = reader.take();
  if (set.questions.empty()) fail_input("{}: no questions; is this a SQuAD file?", path);
  return set;
}

}  // namespace gmlp
