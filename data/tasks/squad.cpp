// SQuAD's files. A bad question is left out, and its paragraph's others are read.
#include "data/tasks/squad.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {
namespace {

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
    context_ = text_of(paragraph, "context", place);
    begins_.clear();
    for (size_t at = 0; at < context_.size(); ++at) {
      if (!is_continuation(context_[at])) begins_.push_back(at);
    }
    for (const FastJson& entry : member(paragraph, "qas", "array", place)) {
      set_.bad.attempt([&] { set_.questions.push_back(read_question(entry, place)); });
    }
    set_.contexts.push_back(std::move(context_));
  }

  SquadQuestion read_question(const FastJson& entry, const std::string& paragraph) {
    SquadQuestion question;
    const bool number = entry.contains("id") && entry["id"].is_number();
    question.id = number ? entry["id"].dump() : text_of(entry, "id", paragraph);
    question.context = std::ssize(set_.contexts);
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
    const std::string text = text_of(answer, "text", place);
    const double start = member(answer, "answer_start", "number", place).get<double>();
    const double last = static_cast<double>(begins_.size() - 1);
    size_t at = begins_[static_cast<size_t>(std::clamp(start, 0.0, last))];
    if (context_.compare(at, text.size(), text) != 0) {
      const size_t before = context_.rfind(text, at);
      const size_t after = context_.find(text, at);
      if (before == after) {  // neither is there
        fail_input("{}: the context does not have its answer '{}'; correct or remove it", place,
                   printable(text));
      }
      // An absent one is std::string::npos, the largest number.
      at = before != context_.npos && at - before <= after - at ? before : after;
      ++set_.moved;
    }
    return {static_cast<int64_t>(at), static_cast<int64_t>(at + text.size())};
  }

  SquadReading reading_;
  SquadSet set_;
  std::string context_;         // of the current paragraph
  std::vector<size_t> begins_;  // the byte of the context at which each character begins
  std::unordered_set<std::string> ids_;
};

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

}  // namespace gmlp
