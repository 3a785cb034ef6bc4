// `tokenizer train`. The result depends on the texts and the options alone: one thread, no clock,
// and where a text is too large for SentencePiece a sample of its lines that Philox draws by their
// numbers.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include <sentencepiece_trainer.h>
#include <utf8proc.h>

#include "core/error.h"
#include "core/random.h"
#include "data/text/kinds.h"
#include "data/text/text_file.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

namespace sp = sentencepiece;

constexpr int64_t kMostBytes = int64_t{32} << 20;  // of text that SentencePiece trains on
constexpr size_t kLongestSentence = 4000;          // bytes; the trainer leaves out longer ones

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

/// Whether SentencePiece has something to learn from a line. Where no line is left after its own
/// cleaning, the library ends the process, so lines without a visible character are kept from it;
/// so are those with the block that it reserves for itself and leaves out.
bool is_useful(std::string_view line) {
  // How it writes a space, and what its normalization takes for one.
  constexpr char32_t kSpaceBlock = 0x2581;
  constexpr char32_t kReplacement = 0xFFFD;
  if (line.find("\u2585") != std::string_view::npos) return false;
  for (int64_t at = 0; at < static_cast<int64_t>(line.size());) {
    const Utf8Char character = utf8_at(line, at);
    at += character.size;
    const utf8proc_category_t category =
        utf8proc_category(static_cast<utf8proc_int32_t>(character.code));
    const bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    const bool number = category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
    const bool mark = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_SO;
    if (letter || number ||
        (mark && character.code != kSpaceBlock && character.code != kReplacement))
      return true;
  }
  return false;
}

/// Calls `use` with each useful line of the texts; long ones in parts.
template <typename Use>
void each_line(const std::vector<std::string>& files, const Use& use) {
  for (const std::string& path : files) {
    TextFile file(path);
    for (std::string_view part = file.next(); !part.empty(); part = file.next()) {
      while (!part.empty()) {
        size_t length = std::min(part.find('\n'), part.size() - 1) + 1;
        if (length > kLongestSentence) length = best_cut(part.substr(0, kLongestSentence));
        const std::string_view line = part.substr(0, length);
        part.remove_prefix(length);
        const size_t last = line.find_last_not_of(" \t\r\n");
        if (is_useful(line)) use(line.substr(0, last + 1));
      }
    }
  }
}

std::vector<std::string> sample_lines(const std::vector<std::string>& files) {
  int64_t total = 0;
  each_line(files, [&](std::string_view line) { total += static_cast<int64_t>(line.size()); });
  const double share =
      static_cast<double>(kMostBytes) / static_cast<double>(std::max<int64_t>(total, 1));
  std::vector<std::string> lines;
  uint64_t number = 0;
  each_line(files, [&](std::string_view line) {
    if (share >= 1 || Random(0, Purpose::kSample, 0, number).uniform() < share) {
      lines.emplace_back(line);
    }
    ++number;
  });
  return lines;
}

/// The library's message without the place in its source: "...cc(582) [(a) == (b)] The reason".
std::string reason_of(const sp::util::Status& status) {
  const std::string message = status.message();
  const size_t bracket = message.find("] ");
  return printable(bracket == std::string::npos ? message : message.substr(bracket + 2));
}

std::string train_sentencepiece(const std::vector<std::string>& files,
                                const TokenizerTraining& training) {
  const int64_t vocab = training.vocab;
  const std::vector<std::string> lines = sample_lines(files);
  if (lines.empty()) fail_input("{}: holds no text; name another file", files.front());
  silence_sentencepiece();
  const std::unordered_map<std::string, std::string> options = {
      {"model_type", training.model_type},
      {"vocab_size", std::to_string(vocab)},
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
  try {
    const sp::util::Status status = sp::SentencePieceTrainer::Train(options, &sentences, &model);
    if (!status.ok()) {
      fail_input("--vocab-size {}: SentencePiece cannot train on {}: {}", vocab, files.front(),
                 reason_of(status));
    }
  } catch (const InputError&) {
    throw;
  } catch (const std::exception& error) {
    fail_input("--vocab-size {}: SentencePiece cannot train on {}: {}", vocab, files.front(),
               printable(error.what()));
  }
  return model;
}

/// All characters of the texts, or the most frequent ones (of equally frequent ones the smaller),
/// in the order of Unicode.
std::string train_chars(const std::vector<std::string>& files, int64_t vocab) {
  constexpr int64_t kCharsSpecials = 5;
  std::map<char32_t, int64_t> counts;
  for (const std::string& path : files) {
    TextFile file(path);
    for (std::string_view part = file.next(); !part.empty(); part = file.next()) {
      for (int64_t at = 0; at < static_cast<int64_t>(part.size());) {
        const Utf8Char character = utf8_at(part, at);
        ++counts[character.code];
        at += character.size;
      }
    }
  }
  std::vector<std::pair<int64_t, char32_t>> order;  // the most frequent first
  order.reserve(counts.size());
  for (const std::pair<const char32_t, int64_t>& entry : counts) {
    order.emplace_back(-entry.second, entry.first);
  }
  std::sort(order.begin(), order.end());
  if (vocab > 0 && static_cast<int64_t>(order.size()) > vocab - kCharsSpecials) {
    order.resize(static_cast<size_t>(std::max<int64_t>(vocab - kCharsSpecials, 0)));
  }
  std::vector<char32_t> characters;
  characters.reserve(order.size());
  for (const std::pair<int64_t, char32_t>& entry : order) characters.push_back(entry.second);
  std::sort(characters.begin(), characters.end());
  return make_chars_tokenizer(std::move(characters), files.front())->file_bytes();
}

}  // namespace

std::string train_tokenizer(const std::vector<std::string>& files,
                            const TokenizerTraining& options) {
  if (files.empty()) fail_input("--text: names no file to train a tokenizer on");
  if (options.type == "bytes") return make_bytes_tokenizer()->file_bytes();
  constexpr int64_t kMost = 1'000'000;
  const bool chars = options.type == "chars";
  if (!chars && options.type != "sentencepiece") {
    fail_input("--type {}: must be sentencepiece, chars or bytes", printable(options.type));
  }
  // 256 bytes and five special pieces stand in each SentencePiece model; chars need no size.
  const int64_t least = chars ? 6 : 262;
  const bool all = chars && options.vocab == 0;
  if (!all && (options.vocab < least || options.vocab > kMost)) {
    fail_input("--vocab-size {}: must be between {} and {} for --type {}", options.vocab, least,
               kMost, options.type);
  }
  if (options.model_type != "unigram" && options.model_type != "bpe") {
    fail_input("--model-type {}: must be unigram or bpe", printable(options.model_type));
  }
  return chars ? train_chars(files, options.vocab) : train_sentencepiece(files, options);
}

}  // namespace gmlp
