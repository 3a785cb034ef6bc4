// `tokenizer train`. The result depends on the texts and the options alone: one thread, and no
// clock. From a text that is too large for SentencePiece, Philox draws a sample of its lines.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include <sentencepiece_trainer.h>
#include <utf8proc.h>

#include "core/error.h"
#include "core/random.h"
#include "data/text/sentencepiece_guard.h"
#include "data/text/text_file.h"
#include "data/text/tokenizer.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

namespace sp = sentencepiece;

class Sentences : public sp::SentenceIterator {
 public:
  explicit Sentences(const std::vector<std::string>& lines) : lines_(lines) {}
  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }  // NOLINT(readability-identifier-naming)
  const std::string& value() const override { return lines_[at_]; }
  sp::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  size_t at_ = 0;
};

/// Whether SentencePiece can learn from a line. The library ends the process if its own cleaning
/// leaves no line, so it gets no line without a visible character. It also drops lines with the
/// block that it reserves, U+2585.
bool is_useful(std::string_view line) {
  constexpr char32_t kSpaceBlock = 0x2581;  // the library's space
  constexpr char32_t kReplacement = 0xFFFD;
  if (line.find("\u2585") != std::string_view::npos) return false;
  for (int64_t at = 0; at < static_cast<int64_t>(line.size());) {
    const Utf8Char character = utf8_at(line, at);
    at += character.size;
    const utf8proc_category_t category =
        utf8proc_category(static_cast<utf8proc_int32_t>(character.code));
    const bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    const bool visible = category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_SO;
    const bool space = character.code == kSpaceBlock || character.code == kReplacement;
    if (letter || (visible && !space)) return true;
  }
  return false;
}

/// Calls `use` with each useful line of the texts, long lines in parts.
void for_each_line(const std::vector<std::string>& files,
                   const std::function<void(std::string_view line)>& use) {
  constexpr size_t kMaxLine = 4000;  // bytes; the trainer leaves out longer ones
  for (const std::string& path : files) {
    read_text_parts(path, [&](std::string_view part) {
      while (!part.empty()) {
        size_t length = std::min(part.find('\n'), part.size() - 1) + 1;
        if (length > kMaxLine) length = best_cut(part.substr(0, kMaxLine));
        const std::string_view line = part.substr(0, length);
        part.remove_prefix(length);
        if (is_useful(line)) use(line.substr(0, line.find_last_not_of(" \t\r\n") + 1));
      }
    });
  }
}

std::vector<std::string> sample_lines(const std::vector<std::string>& files) {
  constexpr int64_t kMaxBytes = int64_t{32} << 20;
  int64_t total = 0;
  for_each_line(files, [&](std::string_view line) { total += static_cast<int64_t>(line.size()); });
  const double share =
      static_cast<double>(kMaxBytes) / static_cast<double>(std::max<int64_t>(total, 1));
  std::vector<std::string> lines;
  uint64_t number = 0;
  for_each_line(files, [&](std::string_view line) {
    const bool drawn = share >= 1 || Random(0, Purpose::kSample, 0, number).uniform() < share;
    if (drawn) lines.emplace_back(line);
    ++number;
  });
  return lines;
}

std::string train_sentencepiece(const std::vector<std::string>& files,
                                const TokenizerTraining& training) {
  const std::vector<std::string> lines = sample_lines(files);
  if (lines.empty()) fail_input("{}: has no text; use another file", files.front());
  silence_sentencepiece();
  const std::unordered_map<std::string, std::string> options = {
      {"model_type", training.model_type},
      {"vocab_size", std::to_string(training.vocab)},
      {"character_coverage", "0.9995"},
      {"byte_fallback", "true"},
      {"num_threads", "1"},
      {"shuffle_input_sentence", "false"},
      {"input_sentence_size", "0"},
      {"normalization_rule_name", "nmt_nfkc"},
      {"pad_id", "0"},
      {"unk_id", "1"},
      {"bos_id", "-1"},
      {"eos_id", "-1"},
      {"control_symbols", "[CLS],[SEP],[MASK]"},
      {"minloglevel", "3"},
  };
  Sentences sentences(lines);
  std::string model;
  std::string reason;
  try {
    const sp::util::Status status = sp::SentencePieceTrainer::Train(options, &sentences, &model);
    if (status.ok()) return model;
    // "...cc(582) [(a) == (b)] The reason": without the place in the library's source.
    reason = status.message();
    const size_t bracket = reason.find("] ");
    if (bracket != std::string::npos) reason.erase(0, bracket + 2);
  } catch (const std::exception& error) {
    reason = error.what();
  }
  fail_input("--vocab-size {}: SentencePiece cannot train on {}: {}", training.vocab, files.front(),
             printable(reason));
}

/// Returns all characters of the texts, or the most frequent ones (of equally frequent ones the
/// smaller), in the order of Unicode.
std::string train_chars(const std::vector<std::string>& files, int64_t vocab) {
  constexpr int64_t kSpecials = 5;
  std::map<char32_t, int64_t> counts;
  for (const std::string& path : files) {
    read_text_parts(path, [&](std::string_view part) {
      for (int64_t at = 0; at < static_cast<int64_t>(part.size());) {
        const Utf8Char character = utf8_at(part, at);
        ++counts[character.code];
        at += character.size;
      }
    });
  }
  std::vector<char32_t> characters;
  for (const std::pair<const char32_t, int64_t>& entry : counts) characters.push_back(entry.first);
  std::stable_sort(characters.begin(), characters.end(),
                   [&](char32_t a, char32_t b) { return counts[a] > counts[b]; });
  const size_t most = static_cast<size_t>(std::max<int64_t>(vocab - kSpecials, 0));
  if (vocab > 0 && characters.size() > most) characters.resize(most);
  std::sort(characters.begin(), characters.end());
  return make_chars_tokenizer(std::move(characters), files.front())->file_bytes();
}

}  // namespace

std::string train_tokenizer(const std::vector<std::string>& files,
                            const TokenizerTraining& options) {
  if (files.empty()) fail_input("--text: no file is given");
  if (options.type == "bytes") return make_bytes_tokenizer()->file_bytes();
  const bool chars = options.type == "chars";
  if (!chars && options.type != "sentencepiece") {
    fail_input("--type {}: must be sentencepiece, chars or bytes", printable(options.type));
  }
  // A SentencePiece model has 256 bytes, five special pieces and at least one more.
  constexpr int64_t kMax = 1'000'000;
  const int64_t least = chars ? 6 : 262;
  const bool all = chars && options.vocab == 0;
  if (!all && (options.vocab < least || options.vocab > kMax)) {
    fail_input("--vocab-size {}: must be between {} and {} for --type {}", options.vocab, least,
               kMax, options.type);
  }
  if (options.model_type != "unigram" && options.model_type != "bpe") {
    fail_input("--model-type {}: must be unigram or bpe", printable(options.model_type));
  }
  return chars ? train_chars(files, options.vocab) : train_sentencepiece(files, options);
}

}  // namespace gmlp
