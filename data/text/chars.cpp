// The tokenizer of characters: one id per code point, in the order of the file, after the special
// ids. Newlines are characters too. A character that is not in the file becomes [UNK].
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/io/json.h"
#include "data/text/tokenizer.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

constexpr std::array<const char*, 5> kSpecialNames = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
constexpr int64_t kSpecialCount = kSpecialNames.size();
constexpr int64_t kUnknown = 1;

class CharsTokenizer : public Tokenizer {
 public:
  CharsTokenizer(std::vector<char32_t> characters, const std::string& name)
      : characters_(std::move(characters)) {
    if (characters_.empty()) fail_input("{}: has no characters; train it again", name);
    int64_t id = kSpecialCount;
    for (const char32_t code : characters_) {
      if (!ids_.emplace(code, id++).second) {
        fail_input("{}: has the character U+{:04X} twice; train it again", name,
                   static_cast<uint32_t>(code));
      }
    }
  }

  const char* kind() const override { return "chars"; }
  int64_t vocab() const override {
    return kSpecialCount + static_cast<int64_t>(characters_.size());
  }
  SpecialIds special() const override { return {0, kUnknown, 2, 3, 4}; }

  std::vector<Piece> encode(std::string_view text) const override {
    check_text(text, "the text");
    std::vector<Piece> pieces;
    pieces.reserve(text.size());
    for (int64_t at = 0; at < static_cast<int64_t>(text.size());) {
      const Utf8Char character = utf8_at(text, at);
      const auto found = ids_.find(character.code);
      pieces.push_back({found == ids_.end() ? kUnknown : found->second, at, at + character.size});
      at += character.size;
    }
    return pieces;
  }

  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (id >= kSpecialCount && id < vocab()) {
        append_utf8(text, character(id));
      } else if (id < 0 || id == kUnknown || id >= vocab()) {
        text += "\uFFFD";
      }
    }
    return text;
  }

  std::string name(int64_t id) const override {
    if (id < 0 || id >= vocab()) return kSpecialNames[kUnknown];
    if (id < kSpecialCount) return kSpecialNames[static_cast<size_t>(id)];
    const char32_t code = character(id);
    if (code == '\n') return "\\n";
    if (code == '\t') return "\\t";
    if (code < 0x20 || code == 0x7F) return fmt::format("\\x{:02x}", static_cast<uint32_t>(code));
    std::string text;
    append_utf8(text, code);
    return text;
  }

  std::string file_name() const override { return "tokenizer.json"; }
  std::string file_bytes() const override {
    nlohmann::ordered_json json;
    json["type"] = "chars";
    nlohmann::ordered_json& list = json["characters"] = nlohmann::ordered_json::array();
    for (const char32_t code : characters_) {
      std::string text;
      append_utf8(text, code);
      list.push_back(text);
    }
    return json_line(json) + "\n";
  }

 private:
  char32_t character(int64_t id) const {
    return characters_[static_cast<size_t>(id - kSpecialCount)];
  }

  std::vector<char32_t> characters_;
  std::unordered_map<char32_t, int64_t> ids_;
};

/// Returns the one character of an element of "characters".
char32_t only_character(const nlohmann::ordered_json& element, size_t index,
                        const std::string& name) {
  const std::string* text = element.get_ptr<const std::string*>();
  const Utf8Char first = text != nullptr && !text->empty() ? utf8_at(*text, 0) : Utf8Char{};
  if (first.size == 0 || first.code == 0 || first.size != static_cast<int64_t>(text->size())) {
    fail_input("{}: characters[{}] is not a string of one character; train it again", name, index);
  }
  return first.code;
}

}  // namespace

std::unique_ptr<Tokenizer> make_chars_tokenizer(std::vector<char32_t> characters,
                                                const std::string& name) {
  return std::make_unique<CharsTokenizer>(std::move(characters), name);
}

std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view bytes, const std::string& name) {
  const nlohmann::ordered_json json = parse_json(bytes, name);
  const auto type = json.is_object() ? json.find("type") : json.end();
  if (type != json.end() && *type == "bytes") return make_bytes_tokenizer();
  const auto list = type != json.end() && *type == "chars" ? json.find("characters") : json.end();
  if (list == json.end() || !list->is_array()) {
    fail_input(
        "{}: is not a tokenizer.json of this program, which has the \"type\" \"bytes\", or "
        "\"chars\" and \"characters\"; from another program use a SentencePiece .model",
        name);
  }
  std::vector<char32_t> characters;
  for (const nlohmann::ordered_json& element : *list) {
    characters.push_back(only_character(element, characters.size(), name));
  }
  return make_chars_tokenizer(std::move(characters), name);
}

}  // namespace gmlp
