// nlohmann's parser calls visit() while it builds the values. visit() consumes each complete
// paragraph and drops every key that is not part of the format: the texts bound the memory.
#include "data/tasks/squad.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>

#include "core/error.h"
#include "core/io/json.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

using Json = nlohmann::json;
using Event = Json::parse_event_t;

/// The byte at which each character begins. check_json_limits bounds a text to 8 MB.
std::vector<uint32_t> character_begins(const std::string& text) {
  std::vector<uint32_t> begins;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!is_continuation(text[at])) begins.push_back(static_cast<uint32_t>(at));
  }
  return begins;
}

class SquadReader {
 public:
  SquadReader(const std::string& path, const SquadReading& reading)
      : answered_(reading.answered), set_{path, reading.unanswerable, {}, {}} {}

  SquadSet read(std::string_view text) {
    Json rest;  // the file without its paragraphs
    try {
      rest = Json::parse(text, [this](int depth, Event event, Json& value) {
        return visit(static_cast<size_t>(depth), event, value);
      });
    } catch (const Json::exception& error) {
      fail_input("{}: not JSON: {}; download it again", set_.path, json_reason(error));
    }
    for (const Json& article : array_of(rest, "data")) {
      for (const Json& paragraph : array_of(article, "paragraphs")) check_object(paragraph);
    }
    return std::move(set_);
  }

 private:
  /// Returns whether the parser shall keep the value of this event.
  bool visit(size_t depth, Event event, Json& value) {
    constexpr size_t kParagraph = 4;  // file, data, article, paragraphs, paragraph
    static constexpr std::array<std::string_view, 10> kKeys = {
        "data",     "paragraphs",    "context", "qas",  "id",
        "question", "is_impossible", "answers", "text", "answer_start"};
    if (event == Event::object_start) {
      keys_.resize(std::max(keys_.size(), depth + 1));
      keys_[depth].clear();
    } else if (event == Event::key) {
      const std::string& key = value.get_ref<const std::string&>();
      if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) return false;
      if (!keys_[depth - 1].insert(key).second) fail("has '{}' twice; remove one", key);
    } else if (event == Event::object_end && depth == kParagraph) {
      add_paragraph(value);
      return false;
    }
    return true;
  }

  void add_paragraph(const Json& paragraph) {
    context_ = text_of(paragraph, "context");
    begins_ = character_begins(context_);
    for (const Json& entry : array_of(paragraph, "qas")) {
      add_question(entry);
      question_.clear();
    }
    set_.contexts.push_back(std::move(context_));
  }

  void add_question(const Json& entry) {
    SquadQuestion question;
    question.id = question_ = text_of(entry, "id");
    question.text = text_of(entry, "question");
    question.context = static_cast<int64_t>(set_.contexts.size());
    if (!ids_.insert(question.id).second) fail("another question has this id; ids must differ");
    if (entry.contains("is_impossible")) {
      question.impossible = member(entry, "is_impossible", Json::value_t::boolean).get<bool>();
    }
    if (question.impossible && !set_.unanswerable) {
      fail("is impossible, which v1.1 does not have; use --task squad2");
    }
    if (answered_ && entry.contains("answers")) {
      for (const Json& answer : array_of(entry, "answers")) {
        question.answers.push_back(answer_of(answer));
      }
    }
    if (answered_ && question.answers.empty() != question.impossible) {
      fail("{}; correct or remove it",
           question.impossible ? "is impossible and has an answer" : "has no answer");
    }
    if (!answered_) question.impossible = false;
    set_.questions.push_back(std::move(question));
  }

  /// The answer's bytes in the context. A shifted position would train the model on wrong spans.
  SquadAnswer answer_of(const Json& answer) const {
    const std::string& text = text_of(answer, "text");
    const Json& start = member(answer, "answer_start");
    if (!start.is_number_unsigned()) fail("'answer_start' must be a whole number of at least 0");
    const uint64_t character = start.get<uint64_t>();
    const size_t begin = character < begins_.size() ? begins_[character] : context_.size();
    if (context_.compare(begin, text.size(), text) != 0) {
      fail("the context does not have its answer '{}' at character {}; correct answer_start",
           printable(text), character);
    }
    return {static_cast<int64_t>(begin), static_cast<int64_t>(begin + text.size())};
  }

  void check_object(const Json& value) const {
    if (value.is_object()) return;
    fail("has a value of type {} where an object belongs; is this a SQuAD file?",
         value.type_name());
  }

  const Json& member(const Json& object, const char* key) const {
    check_object(object);
    const auto found = object.find(key);
    if (found == object.end()) fail("has no '{}'; is this a SQuAD file?", key);
    return *found;
  }

  const Json& member(const Json& object, const char* key, Json::value_t type) const {
    const Json& value = member(object, key);
    if (value.type() == type) return value;
    fail("'{}' is of type {}, not {}; download the file again", key, value.type_name(),
         Json(type).type_name());
  }

  const Json& array_of(const Json& object, const char* key) const {
    return member(object, key, Json::value_t::array);
  }

  const std::string& text_of(const Json& object, const char* key) const {
    const Json& value = member(object, key, Json::value_t::string);
    const std::string& text = value.get_ref<const std::string&>();
    if (text.find('\0') != std::string::npos) fail("'{}' has a NUL; remove it", key);
    if (trimmed(text).empty()) fail("'{}' is empty; add its text or remove its entry", key);
    return text;
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    const std::string place = question_.empty()
                                  ? fmt::format("paragraph {}", set_.contexts.size() + 1)
                                  : fmt::format("question '{}'", printable(question_));
    fail_input("{}: {}: {}", set_.path, place, fmt::format(format, std::forward<Args>(args)...));
  }

  bool answered_;
  SquadSet set_;
  std::vector<std::set<std::string>> keys_;  // of the current object at each depth
  std::string question_;                     // the id of the current question, or ""
  std::string context_;                      // of the current paragraph
  std::vector<uint32_t> begins_;             // of its characters
  std::unordered_set<std::string> ids_;
};

}  // namespace

SquadSet read_squad(const std::string& path, const SquadReading& reading) {
  const std::string text = read_utf8(path);
  check_json_limits(text, path);
  SquadSet set = SquadReader(path, reading).read(text);
  if (set.questions.empty()) fail_input("{}: no questions; is this a SQuAD file?", path);
  return set;
}

}  // namespace gmlp
