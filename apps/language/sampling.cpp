#include "apps/language/sampling.h"

#include <algorithm>

#include "core/error.h"
#include "core/random.h"
#include "core/softmax.h"
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

int64_t sample(const std::vector<double>& logits, const std::vector<int64_t>& allowed,
               const SamplingOptions& options, int64_t draw) {
  const auto likelier = [&](int64_t a, int64_t b) {
    const double left = logits[static_cast<size_t>(a)];
    const double right = logits[static_cast<size_t>(b)];
    return left > right || (left == right && a < b);
  };
  if (options.temperature == 0) {
    return *std::min_element(allowed.begin(), allowed.end(), likelier);
  }
  std::vector<int64_t> ids = allowed;
  std::sort(ids.begin(), ids.end(), likelier);
  if (options.top_k > 0) ids.resize(std::min(ids.size(), static_cast<size_t>(options.top_k)));

  std::vector<double> p(ids.size());
  const double highest = logits[static_cast<size_t>(ids.front())];
  for (size_t i = 0; i < ids.size(); ++i) {
    p[i] = (logits[static_cast<size_t>(ids[i])] - highest) / options.temperature;
  }
  softmax(p.data(), p.data(), static_cast<int64_t>(p.size()));
  // The nucleus: the fewest likeliest ids that reach top_p (Holtzman et al. 2020).
  double kept = 0;
  size_t count = 0;
  while (count < p.size() && (count == 0 || kept < options.top_p)) kept += p[count++];

  Random random(options.seed, Purpose::kSample, static_cast<uint64_t>(draw));
  double rest = random.uniform() * kept;
  for (size_t i = 0; i + 1 < count; ++i) {
    rest -= p[i];
    if (rest < 0) return ids[i];
  }
  return ids[count - 1];
}

Generator::Generator(LanguageModel& model, const Tokenizer& tokenizer,
                     const std::vector<int64_t>& prompt, const SamplingOptions& options)
    : decoder_(model), window_(model.config().block.tokens), options_(options) {
  const SpecialIds special = tokenizer.special();
  for (int64_t id = 0; id < tokenizer.vocab(); ++id) {
    if (!special.contains(id)) allowed_.push_back(id);
  }
  // Of a long prompt only what the window can hold beside the first tokens of the answer.
  const size_t most = static_cast<size_t>(std::max<int64_t>(1, window_ - window_ / 2));
  const size_t skipped = prompt.size() > most ? prompt.size() - most : 0;
  ids_.assign(prompt.begin(), prompt.begin() + static_cast<int64_t>(skipped));
  for (size_t i = skipped; i < prompt.size(); ++i) logits_ = &feed(prompt[i]);
}

const std::vector<double>& Generator::feed(int64_t id) {
  ids_.push_back(id);
  if (decoder_.position() < window_) return decoder_.feed(id);
  decoder_.reset();
  const size_t again = static_cast<size_t>(window_ / 2);  // tokens before this one
  for (size_t i = ids_.size() - 1 - again; i + 1 < ids_.size(); ++i) decoder_.feed(ids_[i]);
  return decoder_.feed(id);
}

int64_t Generator::next() {
  const int64_t id = sample(*logits_, allowed_, options_, draws_++);
  logits_ = &feed(id);
  return id;
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
