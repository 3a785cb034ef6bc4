#include "apps/language/text_format.h"

#include <string_view>

#include "data/text/utf8.h"

namespace gmlp {

namespace {

bool is_sentencepiece(const Tokenizer& tokenizer) {
  return std::string_view(tokenizer.kind()) == "sentencepiece";
}

std::string without_space(const std::string& text) {
  return text.size() > 1 && text.front() == ' ' ? text.substr(1) : text;
}

}  // namespace

std::string piece_text(const Tokenizer& tokenizer, int64_t id) {
  const std::string name = tokenizer.name(id);
  if (tokenizer.special().contains(id)) return name;
  if (!is_sentencepiece(tokenizer)) return tokenizer.decode({id});
  // Characters outside the vocabulary are spelled in bytes, such as <0xE2>.
  const bool is_byte = name.size() == 6 && name.starts_with("<0x") && name.back() == '>';
  if (is_byte) return {static_cast<char>(std::stoi(name.substr(3, 2), nullptr, 16))};
  return replace_all(name, "▁", " ");
}

std::string word_text(const Tokenizer& tokenizer, int64_t id) {
  const std::string text = piece_text(tokenizer, id);
  const bool continues =
      is_sentencepiece(tokenizer) && !tokenizer.special().contains(id) && !text.starts_with(' ');
  return (continues ? "##" : "") + one_line(without_space(text));
}

std::string one_line(const std::string& bytes) {
  std::string line;
  for (const char c : replace_all(replace_invalid_utf8(bytes), "\n", "⏎")) {
    const unsigned char byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7F ? std::string("�") : std::string(1, c);
  }
  return line;
}

std::string masked_line(const Tokenizer& tokenizer, const TextBatch& batch, int64_t row,
                        const std::vector<int64_t>& guesses) {
  const size_t tokens = batch.ids.size() / static_cast<size_t>(batch.batch);
  const bool guessed = !guesses.empty();
  std::string text;
  for (size_t i = 0; i < tokens && text.size() < kLineBytes; ++i) {
    const size_t at = static_cast<size_t>(row) * tokens + i;
    const int64_t target = batch.targets[at];
    if (target < 0) {
      text += piece_text(tokenizer, batch.ids[at]);
      continue;
    }
    const int64_t other = guessed ? guesses[i] : batch.ids[at];
    const std::string piece = piece_text(tokenizer, target);
    std::string mark = without_space(piece);
    if (other == tokenizer.special().mask) {
      mark = "MASK→" + mark;
    } else if (other != target) {
      mark = without_space(piece_text(tokenizer, other)) + (guessed ? "≠" : "→") + mark;
    }
    text += (without_space(piece) != piece ? " [" : "[") + mark + "]";
  }
  return one_line(text);
}

std::string plain_line(const Tokenizer& tokenizer, const TextBatch& batch, int64_t row) {
  const size_t tokens = batch.ids.size() / static_cast<size_t>(batch.batch);
  std::string text;
  for (size_t i = 0; i < tokens && text.size() < kLineBytes; ++i) {
    text += piece_text(tokenizer, batch.ids[static_cast<size_t>(row) * tokens + i]);
  }
  return one_line(text);
}

}  // namespace gmlp
