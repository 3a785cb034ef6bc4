#include "apps/language/text_stream.h"

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {

namespace {

constexpr size_t kContext = 8;  // ids that the text of the next one may depend on
constexpr size_t kLongest = 4;  // bytes of a character

/// Whether the last bytes are the beginning of a character that the next token may complete.
bool ends_inside_character(const std::string& text) {
  // Tokenizers that fall back to bytes decode a part of a character as U+FFFD. The bytes of one
  // that is meant look the same, and then only wait for what follows.
  if (text.ends_with("\uFFFD")) return true;
  for (size_t back = 1; back < kLongest && back <= text.size(); ++back) {
    const unsigned char byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t wanted = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return back < wanted;
  }
  return false;
}

}  // namespace

std::vector<int64_t> writable_ids(const Tokenizer& tokenizer) {
  const SpecialIds special = tokenizer.special();
  std::vector<int64_t> ids;
  for (int64_t id = 0; id < tokenizer.vocab(); ++id) {
    if (!special.contains(id)) ids.push_back(id);
  }
  return ids;
}

TextStream::TextStream(const Tokenizer& tokenizer, const std::vector<int64_t>& before)
    : tokenizer_(tokenizer) {
  const size_t skipped = before.size() > kContext ? before.size() - kContext : 0;
  context_.assign(before.begin() + static_cast<int64_t>(skipped), before.end());
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
  if (!ends_inside_character(text_of(pending_.size()))) return flush();
  if (pending_.size() < kLongest) return "";
  // No character begins with the first of so many tokens, but for a U+FFFD that is meant: its three
  // bytes, each U+FFFD by itself, are one together. Those behind may yet begin another character.
  return release(text_of(kLongest - 1) == "\uFFFD" ? kLongest - 1 : 1);
}

std::string TextStream::flush() {
  return release(pending_.size());
}

std::string TextStream::release(size_t count) {
  std::string text = replace_invalid_utf8(text_of(count));
  const auto end = pending_.begin() + static_cast<int64_t>(count);
  context_.insert(context_.end(), pending_.begin(), end);
  pending_.erase(pending_.begin(), end);
  if (context_.size() > kContext) {
    context_.erase(context_.begin(), context_.end() - static_cast<int64_t>(kContext));
  }
  return text;
}

std::string text_behind(const Tokenizer& tokenizer, const std::vector<int64_t>& before,
                        const std::vector<int64_t>& ids) {
  TextStream stream(tokenizer, before);
  std::string text;
  for (const int64_t id : ids) text += stream.push(id);
  return text + stream.flush();
}

std::vector<int64_t> prompt_ids(const Tokenizer& tokenizer, const std::string& prompt) {
  std::vector<int64_t> ids = tokenizer.encode_ids(prompt);
  if (ids.empty()) ids = tokenizer.encode_ids("\n");
  if (ids.empty()) ids = tokenizer.encode_ids(".");
  if (ids.empty()) fail_input("--prompt: holds no token; give a text to go on from");
  return ids;
}

}  // namespace gmlp
