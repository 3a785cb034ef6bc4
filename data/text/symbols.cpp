// The tokenizers without subwords: an id is a byte, or a character (code point). Newlines are
// symbols like any other. Both are stored as tokenizer.json.
//
//   bytes   0-255 the bytes; 256-259 the special ids. There is no unknown text.
//   chars   0-4 the special ids; then the characters, in the order of the file.
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/io/json.h"
#include "data/text/tokenizer.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

/// `count` ordinary ids from `first` on, and the special ids.
class SymbolTokenizer : public Tokenizer {
 public:
  SymbolTokenizer(SpecialIds special, int64_t first, int64_t count)
      : special_(special), first_(first), count_(count) {}

  int64_t vocab() const override { return count_ + (special_.unknown < 0 ? 4 : 5); }
  SpecialIds special() const override { return special_; }

  /// Of bytes, only a whole text is sure to be UTF-8.
  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (is_symbol(id)) {
        text += symbol(id - first_);
      } else if (id == special_.unknown || !special_.contains(id)) {
        text += "\uFFFD";
      }
    }
    return text;
  }

  std::string name(int64_t id) const override {
    if (is_symbol(id)) return symbol_name(symbol(id - first_));
    if (id == special_.pad) return "[PAD]";
    if (id == special_.cls) return "[CLS]";
    if (id == special_.sep) return "[SEP]";
    return id == special_.mask ? "[MASK]" : "[UNK]";
  }
  std::string file_name() const override { return "tokenizer.json"; }

 protected:
  /// The text of an ordinary id, and how name() displays it.
  virtual std::string symbol(int64_t index) const = 0;
  virtual std::string symbol_name(const std::string& symbol) const = 0;

 private:
  bool is_symbol(int64_t id) const { return id >= first_ && id < first_ + count_; }

  SpecialIds special_;
  int64_t first_;
  int64_t count_;
};

class BytesTokenizer : public SymbolTokenizer {
 public:
  BytesTokenizer() : SymbolTokenizer({256, -1, 257, 258, 259}, 0, 256) {}
  const char* kind() const override { return "bytes"; }
  std::string file_bytes() const override { return "{\"type\":\"bytes\"}\n"; }

  std::vector<Piece> encode(std::string_view text) const override {
    std::vector<Piece> pieces;
    pieces.reserve(text.size());
    int64_t at = 0;
    for (const char c : text) {
      pieces.push_back({static_cast<unsigned char>(c), at, at + 1});
      ++at;
    }
    return pieces;
  }

 private:
  std::string symbol(int64_t index) const override { return {static_cast<char>(index)}; }
  std::string symbol_name(const std::string& symbol) const override {
    const bool visible = symbol[0] > 0x20 && symbol[0] < 0x7F;
    return visible ? symbol : fmt::format("<0x{:02X}>", static_cast<unsigned char>(symbol[0]));
  }
};

class CharsTokenizer : public SymbolTokenizer {
 public:
  CharsTokenizer(std::vector<char32_t> characters, const std::string& name)
      : SymbolTokenizer({0, kUnknown, 2, 3, 4}, kSpecials, static_cast<int64_t>(characters.size())),
        characters_(std::move(characters)) {
    if (characters_.empty()) fail_input("{}: has no characters; train it again", name);
    int64_t id = kSpecials;
    for (const char32_t code : characters_) {
      if (ids_.emplace(code, id++).second) continue;
      fail_input("{}: has the character U+{:04X} twice; train it again", name,
                 static_cast<uint32_t>(code));
    }
  }

  const char* kind() const override { return "chars"; }
  std::string file_bytes() const override {
    nlohmann::ordered_json json;
    json["type"] = "chars";
    nlohmann::ordered_json& list = json["characters"] = nlohmann::ordered_json::array();
    for (size_t i = 0; i < characters_.size(); ++i) list.push_back(symbol(static_cast<int64_t>(i)));
    return json_line(json) + "\n";
  }

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

 private:
  static constexpr int64_t kUnknown = 1;
  static constexpr int64_t kSpecials = 5;

  std::string symbol(int64_t index) const override {
    std::string text;
    append_utf8(text, characters_[static_cast<size_t>(index)]);
    return text;
  }
  std::string symbol_name(const std::string& symbol) const override {
    const unsigned char first = static_cast<unsigned char>(symbol[0]);
    if (first == '\n') return "\\n";
    if (first == '\t') return "\\t";
    return first < 0x20 || first == 0x7F ? fmt::format("\\x{:02x}", first) : symbol;
  }

  std::vector<char32_t> characters_;
  std::unordered_map<char32_t, int64_t> ids_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_bytes_tokenizer() {
  return std::make_unique<BytesTokenizer>();
}

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
    const std::string text = element.is_string() ? element.get<std::string>() : "";
    const Utf8Char first = text.empty() ? Utf8Char{} : utf8_at(text, 0);
    if (first.code == 0 || first.size != static_cast<int64_t>(text.size())) {
      fail_input("{}: characters[{}] is not a string of one character; train it again", name,
                 characters.size());
    }
    characters.push_back(first.code);
  }
  return make_chars_tokenizer(std::move(characters), name);
}

}  // namespace gmlp
