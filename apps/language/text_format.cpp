#include "apps/language/text_format.h"

#include <string_view>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

constexpr size_t kLineBytes = 140;        // a sample's line ends with the token that reaches this
constexpr int64_t kContext = 8;           // ids that the text of the next one may depend on
constexpr size_t kMaxCharacterBytes = 4;  // of UTF-8

bool is_sentencepiece(const Tokenizer& tokenizer) {
  return std::string_view(tokenizer.kind()) == "sentencepiece";
}

std::string without_space(const std::string& text) {
  return text.size() > 1 && text.front() == ' ' ? text.substr(1) : text;
}

/// Whether `text`, of a few tokens, may end inside a character that the next token completes.
/// Tokenizers that fall back to bytes decode a part of a character as U+FFFD. A U+FFFD of the text
/// itself looks the same, and is only returned later.
bool may_be_incomplete(const std::string& text) {
  return text.ends_with("\uFFFD") || !is_utf8(text);
}

}  // namespace

std::string unknown_text(double share) {
  return fmt::format("{:.3g} % of the tokens are unknown to the tokenizer{}", 100 * share,
                     share > 0.5 ? "; warning: scores of unknown tokens say little" : "");
}

std::string piece_text(const Tokenizer& tokenizer, int64_t id) {
  std::string name = tokenizer.name(id);
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
  return (continues ? "##" : "") + printable(without_space(text));
}

std::string sample_line(const Tokenizer& tokenizer, std::span<const int64_t> ids,
                        std::span<const int64_t> targets, std::span<const int64_t> guesses) {
  const SpecialIds special = tokenizer.special();
  std::string text;
  for (size_t i = 0; i < ids.size() && text.size() < kLineBytes; ++i) {
    if (ids[i] == special.pad) break;
    if (targets.empty() || targets[i] < 0) {
      text += piece_text(tokenizer, ids[i]);
      continue;
    }
    const int64_t other = guesses.empty() ? ids[i] : guesses[i];
    const std::string piece = piece_text(tokenizer, targets[i]);
    std::string mark = without_space(piece);
    if (other == special.mask) {
      mark.insert(0, "MASK→");
    } else if (other != targets[i]) {
      mark.insert(0, without_space(piece_text(tokenizer, other)) + (guesses.empty() ? "→" : "≠"));
    }
    text += (without_space(piece) != piece ? " [" : "[") + mark + "]";
  }
  return printable(text, std::string::npos) + (text.size() < kLineBytes ? "" : "…");
}

std::string TextStream::text_of(size_t count) const {
  std::vector<int64_t> all = context_;
  all.insert(all.end(), pending_.begin(), pending_.begin() + static_cast<int64_t>(count));
  const std::string before = tokenizer_.decode(context_);
  const std::string text = tokenizer_.decode(all);
  return text.size() > before.size() ? text.substr(before.size()) : std::string();
}

std::string TextStream::push(int64_t id) {
  pending_.push_back(id);
  if (!may_be_incomplete(text_of(pending_.size()))) return flush();
  if (pending_.size() < kMaxCharacterBytes) return "";
  // No character begins with the first of so many tokens, unless the first three are the bytes of
  // a U+FFFD, which decode as one together. The others may still begin a character.
  const size_t three = kMaxCharacterBytes - 1;
  return release(text_of(three) == "\uFFFD" ? three : 1);
}

std::string TextStream::release(size_t count) {
  std::string text = replace_invalid_utf8(text_of(count));
  const auto end = pending_.begin() + static_cast<int64_t>(count);
  context_.insert(context_.end(), pending_.begin(), end);
  pending_.erase(pending_.begin(), end);
  if (std::ssize(context_) > kContext) context_.erase(context_.begin(), context_.end() - kContext);
  return text;
}

}  // namespace gmlp
