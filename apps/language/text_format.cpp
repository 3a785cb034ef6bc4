#include "apps/language/text_format.h"

#include <string>

#include <fmt/format.h>

#include "data/text/utf8.h"

namespace gmlp {

namespace {

constexpr const char* kYellow = "\033[33m";
constexpr const char* kGreen = "\033[32m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kPlain = "\033[0m";

bool has_subwords(const Tokenizer& tokenizer) {
  return std::string_view(tokenizer.kind()) == "sentencepiece";
}

/// A word without the space before it.
std::string bare(const Tokenizer& tokenizer, int64_t id) {
  const std::string text = piece_text(tokenizer, id);
  return text.size() > 1 && text.front() == ' ' ? text.substr(1) : text;
}

int64_t tokens_of(const TextBatch& batch) {
  return static_cast<int64_t>(batch.ids.size()) / batch.batch;
}

}  // namespace

std::string piece_text(const Tokenizer& tokenizer, int64_t id) {
  if (tokenizer.special().contains(id)) return tokenizer.name(id);
  if (!has_subwords(tokenizer)) return tokenizer.decode({id});
  const std::string name = tokenizer.name(id);
  const bool is_byte = name.size() == 6 && name.starts_with("<0x") && name.back() == '>';
  if (is_byte) return {static_cast<char>(std::stoi(name.substr(3, 2), nullptr, 16))};
  return replace_all(name, "▁", " ");
}

std::string word_text(const Tokenizer& tokenizer, int64_t id) {
  const bool goes_on = has_subwords(tokenizer) && !tokenizer.special().contains(id) &&
                       piece_text(tokenizer, id).front() != ' ';
  return (goes_on ? "##" : "") + one_line(bare(tokenizer, id));
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
                        const std::vector<int64_t>& guesses, bool colours) {
  const int64_t n = tokens_of(batch);
  std::string line;
  std::string run;  // of tokens that are not scored: together they are whole characters
  size_t bytes = 0;
  for (int64_t i = 0; i < n && bytes < kMostShownBytes; ++i) {
    const size_t at = static_cast<size_t>(row * n + i);
    const int64_t target = batch.targets[at];
    if (target < 0) {
      run += piece_text(tokenizer, batch.ids[at]);
      bytes += piece_text(tokenizer, batch.ids[at]).size();
      continue;
    }
    const bool guessed = !guesses.empty();
    const int64_t seen = guessed ? guesses[static_cast<size_t>(i)] : batch.ids[at];
    const std::string word = bare(tokenizer, target);
    std::string mark = word;
    if (seen != target && seen == tokenizer.special().mask) mark = "MASK→" + word;
    if (seen != target && seen != tokenizer.special().mask) {
      mark = bare(tokenizer, seen) + (guessed ? "≠" : "→") + word;
    }
    const char* colour = !guessed ? kYellow : (seen == target ? kGreen : kRed);
    const bool spaced = piece_text(tokenizer, target).front() == ' ' && word != " ";
    line += one_line(run) + (spaced ? " " : "");
    line += fmt::format("{}[{}]{}", colours ? colour : "", one_line(mark), colours ? kPlain : "");
    bytes += mark.size() + 2;
    run.clear();
  }
  return line + one_line(run);
}

std::string plain_line(const Tokenizer& tokenizer, const TextBatch& batch, int64_t row) {
  const int64_t n = tokens_of(batch);
  std::string text;
  for (int64_t i = 0; i < n && text.size() < kMostShownBytes; ++i) {
    text += piece_text(tokenizer, batch.ids[static_cast<size_t>(row * n + i)]);
  }
  return one_line(text);
}

}  // namespace gmlp
