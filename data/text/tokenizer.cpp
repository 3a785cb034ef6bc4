// What all tokenizers have in common, and those without subwords: an id is a byte, or a character
// (code point). Newlines are symbols like any other. Both are stored as tokenizer.json.
//
//   bytes   0-255 the bytes; 256-259 the special ids. There is no unknown text.
//   chars   0-4 the special ids; then the characters, in the order of the file.
#include "data/text/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

constexpr int64_t kSpecialCount = 5;  // of characters: the first ids

class SymbolTokenizer : public Tokenizer {
 public:
  /// The tokenizer of bytes.
  SymbolTokenizer() : first_(0), special_{256, -1, 257, 258, 259} {
    for (int byte = 0; byte < 256; ++byte) symbols_.emplace_back(1, static_cast<char>(byte));
  }

  SymbolTokenizer(const std::vector<char32_t>& characters, const std::string& name)
      : first_(kSpecialCount), special_{0, 1, 2, 3, 4} {
    refuse_if(characters.empty(), "{}: has no characters; train it again", name);
    for (const char32_t code : characters) {
      refuse_if(!ids_.emplace(code, vocab()).second,
                "{}: has the character U+{:04X} twice; train it again", name,
                static_cast<uint32_t>(code));
      append_utf8(symbols_.emplace_back(), code);
    }
  }

  const char* kind() const override { return is_bytes() ? "bytes" : "chars"; }
  int64_t vocab() const override {
    return std::ssize(symbols_) + (is_bytes() ? kSpecialCount - 1 : kSpecialCount);
  }
  SpecialIds special() const override { return special_; }

  size_t encode_part(std::string_view text, size_t begin, std::vector<Piece>& out) const override {
    constexpr size_t kPartBytes = 1 << 16;
    const int64_t end = static_cast<int64_t>(std::min(text.size(), begin + kPartBytes));
    int64_t at = static_cast<int64_t>(begin);
    for (; at < end; at = out.back().end) {
      if (is_bytes()) {
        out.push_back({static_cast<unsigned char>(text[static_cast<size_t>(at)]), at, at + 1});
        continue;
      }
      const Utf8Char character = utf8_at(text, at);
      const auto found = ids_.find(character.code);
      out.push_back(
          {found == ids_.end() ? special_.unknown : found->second, at, at + character.size});
    }
    return static_cast<size_t>(at);
  }

  /// The bytes of a part of a text need not be UTF-8: it may end inside a character.
  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (is_symbol(id)) {
        text += symbols_[static_cast<size_t>(id - first_)];
      } else if (id == special_.unknown || !special_.contains(id)) {
        text += "\uFFFD";
      }
    }
    return text;
  }

  std::string name(int64_t id) const override {
    if (id == special_.pad) return "[PAD]";
    if (id == special_.cls) return "[CLS]";
    if (id == special_.sep) return "[SEP]";
    if (id == special_.mask) return "[MASK]";
    if (!is_symbol(id)) return "[UNK]";
    const std::string& symbol = symbols_[static_cast<size_t>(id - first_)];
    const unsigned char first = static_cast<unsigned char>(symbol[0]);
    const bool visible = first > ' ' && first < 0x7F;
    return is_bytes() && !visible ? fmt::format("<0x{:02X}>", first) : printable(symbol);
  }

  std::string file_name() const override { return "tokenizer.json"; }
  std::string file_bytes() const override {
    Json json = {{"type", kind()}};
    if (!is_bytes()) json["characters"] = symbols_;
    return json_line(json) + "\n";
  }

 private:
  bool is_bytes() const { return first_ == 0; }
  bool is_symbol(int64_t id) const { return id >= first_ && id - first_ < std::ssize(symbols_); }

  int64_t first_;  // the id of the first symbol
  SpecialIds special_;
  std::vector<std::string> symbols_;
  std::unordered_map<char32_t, int64_t> ids_;  // of characters
};

/// All characters, or the most frequent ones (of equally frequent ones the smaller), sorted.
std::string train_chars(const std::vector<std::string>& files, int64_t vocab) {
  std::map<char32_t, int64_t> counts;
  for (const std::string& path : files) {
    read_text_parts(path, [&](std::string_view part) {
      for (int64_t at = 0; at < std::ssize(part);) {
        const Utf8Char character = utf8_at(part, at);
        ++counts[character.code];
        at += character.size;
      }
    });
  }
  std::vector<char32_t> characters;
  characters.reserve(counts.size());
  for (const auto& [character, count] : counts) characters.push_back(character);
  std::ranges::stable_sort(characters,
                           [&](char32_t a, char32_t b) { return counts[a] > counts[b]; });
  const size_t most = static_cast<size_t>(std::max<int64_t>(vocab - kSpecialCount, 0));
  if (vocab > 0 && characters.size() > most) characters.resize(most);
  std::ranges::sort(characters);
  return SymbolTokenizer(characters, files.front()).file_bytes();
}

}  // namespace

std::vector<Piece> Tokenizer::encode(std::string_view text) const {
  if (std::string_view(kind()) != "bytes") check_text(text, "the text");
  std::vector<Piece> pieces;
  for (size_t begin = 0; begin < text.size();) begin = encode_part(text, begin, pieces);
  return pieces;
}

std::vector<int64_t> Tokenizer::encode_ids(std::string_view text) const {
  std::vector<int64_t> ids;
  for (const Piece& piece : encode(text)) ids.push_back(piece.id);
  return ids;
}

std::vector<Piece> encode_with_mask(const Tokenizer& tokenizer, std::string_view text) {
  constexpr std::string_view kMask = "[MASK]";
  const int64_t mask = tokenizer.special().mask;
  refuse_if(mask < 0, "the {} tokenizer has no [MASK]; use a model with another one",
            tokenizer.kind());
  std::vector<Piece> out;
  for (size_t begin = 0;;) {
    const size_t end = std::min(text.find(kMask, begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const int64_t shift = static_cast<int64_t>(begin);
    for (const Piece& piece :
         begin == 0 ? tokenizer.encode(part) : tokenizer.encode_continued(part)) {
      out.push_back({piece.id, shift + piece.begin, shift + piece.end});
    }
    if (end == text.size()) return out;
    begin = end + kMask.size();
    out.push_back({mask, static_cast<int64_t>(end), static_cast<int64_t>(begin)});
  }
}

std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view bytes, const std::string& name) {
  const Json json = parse_json(bytes, name);
  Json type;
  if (json.is_object()) type = json.value("type", type);
  if (type == "bytes") return std::make_unique<SymbolTokenizer>();
  refuse_if(type != "chars" || !json.contains("characters") || !json["characters"].is_array(),
            "{}: is not a tokenizer.json of this program, which has the \"type\" \"bytes\", or "
            "\"chars\" and \"characters\"; from another program use a SentencePiece .model",
            name);
  std::vector<char32_t> characters;
  for (const Json& element : json["characters"]) {
    const std::string text = element.is_string() ? element.get<std::string>() : "";
    const Utf8Char first = text.empty() ? Utf8Char{} : utf8_at(text, 0);
    refuse_if(first.code == 0 || first.size != std::ssize(text),
              "{}: characters[{}] is not a string of one character; train it again", name,
              characters.size());
    characters.push_back(first.code);
  }
  return std::make_unique<SymbolTokenizer>(characters, name);
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& spec) {
  constexpr int64_t kLimit = int64_t{64} << 20;  // ten times the largest tokenizer in use
  if (spec == "bytes") return std::make_unique<SymbolTokenizer>();
  const std::string extension = std::filesystem::path(spec).extension().string();
  if (extension == ".model") return read_sentencepiece(read_text(spec, kLimit), spec);
  if (extension == ".json") return read_tokenizer_json(read_text(spec, kLimit), spec);
  fail_input(
      "{}: is neither `bytes` nor a file named *.model (SentencePiece) or *.json; check the name, "
      "or make one with `gmlp-language tokenizer train`",
      spec);
}

std::unique_ptr<Tokenizer> open_stored_tokenizer(const std::string& folder) {
  for (const char* name : {"tokenizer.model", "tokenizer.json"}) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path)) return open_tokenizer(path.string());
  }
  fail_input("{}: has no tokenizer.model or .json; name one such as RUN/checkpoints/best", folder);
}

std::string train_tokenizer(const std::vector<std::string>& files,
                            const TokenizerTraining& options) {
  if (options.type == "bytes") return SymbolTokenizer().file_bytes();
  const bool chars = options.type == "chars";
  constexpr int64_t kMax = 1'000'000;
  const int64_t least = chars ? 6 : 262;  // five special ids, 256 bytes, and one more
  refuse_if(!(chars && options.vocab == 0) && (options.vocab < least || options.vocab > kMax),
            "--vocab-size {}: must be between {} and {} for --type {}", options.vocab, least, kMax,
            options.type);
  refuse_if(options.model_type != "unigram" && options.model_type != "bpe",
            "--model-type {}: must be unigram or bpe", printable(options.model_type));
  return chars ? train_chars(files, options.vocab) : train_sentencepiece(files, options);
}

}  // namespace gmlp
