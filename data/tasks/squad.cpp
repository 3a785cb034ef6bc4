// nlohmann's parser calls SquadReader for each value, so memory holds the texts and no tree of the
// file. A bad question is known as such at once, and is left out with its paragraph's others read.
#include "data/tasks/squad.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/error.h"
#include "core/io/json.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

using Json = nlohmann::json;
using Type = Json::value_t;

/// The file's objects are nested: file, article, paragraph, question, answer.
constexpr int kParagraph = 2;
constexpr int kQuestion = 3;
constexpr int kAnswer = 4;

struct Member {
  int level;  // of the object that has it
  const char* key;
  Type type;
  bool required = true;
};
constexpr std::array<Member, 10> kMembers = {{{0, "data", Type::array},
                                              {1, "paragraphs", Type::array},
                                              {kParagraph, "context", Type::string},
                                              {kParagraph, "qas", Type::array},
                                              {kQuestion, "id", Type::string},
                                              {kQuestion, "question", Type::string},
                                              {kQuestion, "is_impossible", Type::boolean, false},
                                              {kQuestion, "answers", Type::array, false},
                                              {kAnswer, "text", Type::string},
                                              {kAnswer, "answer_start", Type::number_unsigned}}};

/// The byte at which each character begins. check_json_limits bounds a text to 8 MB.
std::vector<uint32_t> character_begins(const std::string& text) {
  std::vector<uint32_t> begins;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!is_continuation(text[at])) begins.push_back(static_cast<uint32_t>(at));
  }
  return begins;
}

class SquadReader : public nlohmann::json_sax<Json> {
 public:
  SquadReader(const std::string& path, const SquadReading& reading)
      : reading_(reading), set_{path, reading.unanswerable, {}, {}, {reading.skip_bad, 0, {}}} {}

  SquadSet read(std::string_view text) {
    Json::sax_parse(text, this);
    return std::move(set_);
  }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(int64_t value) override { return scalar(value); }
  bool number_unsigned(uint64_t value) override { return scalar(value); }
  bool number_float(double value, const std::string& /*text*/) override { return scalar(value); }
  bool string(std::string& value) override { return scalar(std::move(value)); }
  bool binary(Json::binary_t& /*value*/) override { return true; }  // not in JSON text
  bool start_array(size_t /*size*/) override {
    if (accept(Type::array)) in_array_ = true;
    return true;
  }
  bool start_object(size_t /*size*/) override {
    if (!accept(Type::object)) return true;
    in_array_ = false;
    seen_[static_cast<size_t>(++level_)] = 0;
    if (level_ == kQuestion) questions_.emplace_back();
    if (level_ == kAnswer) questions_.back().answers.emplace_back();
    return true;
  }
  bool key(std::string& key) override {
    if (skipping_ > 0) return true;
    const auto* const found = std::find_if(kMembers.begin(), kMembers.end(), [&](const Member& m) {
      return m.level == level_ && m.key == key;
    });
    const bool unknown = found == kMembers.end() || (key == "answers" && !reading_.answered);
    member_ = unknown ? nullptr : found;
    if (unknown) return true;
    uint32_t& seen = seen_[static_cast<size_t>(level_)];
    const uint32_t bit = 1U << (found - kMembers.begin());
    if ((seen & bit) != 0) fail("has '{}' twice; remove one", key);
    seen |= bit;
    return true;
  }
  bool end_array() override {
    if (!skipped_end()) in_array_ = false;
    return true;
  }
  bool end_object() override {
    if (skipped_end()) return true;
    for (size_t i = 0; i < kMembers.size(); ++i) {
      const Member& member = kMembers[i];
      const bool seen = (seen_[static_cast<size_t>(level_)] >> i & 1) != 0;
      if (seen || member.level != level_ || !member.required) continue;
      fail("has no '{}'; is this a SQuAD file?", member.key);
    }
    if (level_ == kParagraph) add_paragraph();
    --level_;
    in_array_ = level_ >= 0;
    return true;
  }
  bool parse_error(size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& error) override {
    fail_input("{}: not JSON: {}; download it again", set_.path, json_reason(error));
  }

 private:
  struct Answer {
    std::string text;
    uint64_t character = 0;
  };
  struct Question {
    SquadQuestion question;
    std::vector<Answer> answers;
    std::string bad;  // why it is of no use; empty: it is not
  };

  /// Whether the file's layout has a value of this type here. Skips one that is not part of it.
  bool accept(Type type) {
    const bool container = type == Type::array || type == Type::object;
    bool used = skipping_ == 0 && (level_ < 0 || in_array_ || member_ != nullptr);
    if (used && (level_ < 0 || in_array_) && type != Type::object) {
      fail("has a value of type {} where an object belongs; is this a SQuAD file?",
           Json(type).type_name());
      used = false;
    } else if (used && level_ >= 0 && !in_array_ && type != member_->type) {
      const std::string_view key = member_->key;
      const bool number = type == Type::number_unsigned || type == Type::number_integer;
      used = key == "id" && number;
      if (!used && key == "answer_start") {
        fail("'answer_start' must be a whole number of at least 0");
      } else if (!used) {
        fail("'{}' is of type {}, not {}; download the file again", key, Json(type).type_name(),
             Json(member_->type).type_name());
      }
    }
    if (!used && container) ++skipping_;
    return used;
  }

  bool skipped_end() { return skipping_ > 0 && skipping_-- > 0; }

  bool scalar(Json value) {
    if (!accept(value.type())) return true;
    const std::string_view key = member_->key;
    std::string text = value.is_string() ? std::move(value.get_ref<std::string&>()) : value.dump();
    if (text.find('\0') != std::string::npos) fail("'{}' has a NUL; remove it", key);
    if (trimmed(text).empty()) fail("'{}' is empty; add its text or remove its entry", key);
    if (key == "context") {
      context_ = std::move(text);
    } else if (key == "id") {
      questions_.back().question.id = std::move(text);
    } else if (key == "question") {
      questions_.back().question.text = std::move(text);
    } else if (key == "is_impossible") {
      questions_.back().question.impossible = value.get<bool>();
    } else if (key == "text") {
      questions_.back().answers.back().text = std::move(text);
    } else {
      questions_.back().answers.back().character = value.get<uint64_t>();
    }
    return true;
  }

  void add_paragraph() {
    const std::vector<uint32_t> begins = character_begins(context_);
    for (Question& entry : questions_) {
      SquadQuestion& question = entry.question;
      question.context = std::ssize(set_.contexts);
      if (entry.bad.empty()) entry.bad = find_answers(entry, begins);
      if (entry.bad.empty() && !ids_.insert(question.id).second) {
        entry.bad = "another question has this id; ids must differ";
      }
      if (!reading_.answered) question.impossible = false;
      if (entry.bad.empty()) {
        set_.questions.push_back(std::move(question));
      } else {
        set_.bad.leave_out(
            fmt::format("{}: question '{}': {}", set_.path, printable(question.id), entry.bad));
      }
    }
    questions_.clear();
    set_.contexts.push_back(std::exchange(context_, {}));
  }

  /// Sets the answers' bytes in the context. Returns what is wrong with them: a shifted position
  /// would train the model on wrong spans.
  std::string find_answers(Question& entry, const std::vector<uint32_t>& begins) const {
    SquadQuestion& question = entry.question;
    if (question.impossible && !set_.unanswerable) {
      return "is impossible, which v1.1 does not have; use --task squad2";
    }
    if (reading_.answered && entry.answers.empty() != question.impossible) {
      return fmt::format("{}; correct or remove it",
                         question.impossible ? "is impossible and has an answer" : "has no answer");
    }
    for (const Answer& answer : entry.answers) {
      const size_t begin =
          answer.character < begins.size() ? begins[answer.character] : context_.size();
      if (context_.compare(begin, answer.text.size(), answer.text) != 0) {
        return fmt::format(
            "the context does not have its answer '{}' at character {}; correct answer_start",
            printable(answer.text), answer.character);
      }
      question.answers.push_back(
          {static_cast<int64_t>(begin), static_cast<int64_t>(begin + answer.text.size())});
    }
    return "";
  }

  /// Notes the first fault of a question. Throws InputError for the layout around it.
  template <typename... Args>
  void fail(fmt::format_string<Args...> format, Args&&... args) {
    const std::string reason = fmt::format(format, std::forward<Args>(args)...);
    if (level_ < kQuestion) {
      fail_input("{}: paragraph {}: {}", set_.path, set_.contexts.size() + 1, reason);
    }
    if (questions_.back().bad.empty()) questions_.back().bad = reason;
  }

  SquadReading reading_;
  SquadSet set_;
  int level_ = -1;         // of the open object
  bool in_array_ = false;  // directly, among its elements
  int skipping_ = 0;       // open arrays and objects of a value that is not part of the layout
  const Member* member_ = nullptr;     // whose value comes next; null: one to skip
  std::array<uint32_t, 5> seen_ = {};  // bits of kMembers, by level
  std::string context_;                // of the current paragraph
  std::vector<Question> questions_;
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
