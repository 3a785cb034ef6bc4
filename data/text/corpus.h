#pragma once
// A corpus: text files as one row of token ids in memory, and windows of N ids as batches.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

constexpr int64_t kTokenBlock = 64;  // ids between two known positions in the text

/// The ids of a text, in two bytes each, or four for a vocabulary above 65,536.
struct TokenStorage {
  void add(int64_t id, int64_t position);

  std::vector<uint16_t> low;
  std::vector<uint16_t> high;      // empty until an id needs it
  std::vector<int64_t> positions;  // the bytes of the text at which ids 0, 64, 128, ... begin
  int64_t text_bytes = 0;
};

/// A read-only row of ids. Copies share the storage.
class TokenRow {
 public:
  TokenRow() = default;
  explicit TokenRow(TokenStorage storage);

  int64_t size() const { return end_ - begin_; }
  int64_t operator[](int64_t i) const;
  TokenRow slice(int64_t begin, int64_t end) const;
  /// The number of bytes of text that the ids encode, for bits per byte. Exact at multiples
  /// of kTokenBlock and at the end of the text. Other ends count as their block's beginning.
  int64_t text_bytes() const;

 private:
  std::shared_ptr<const TokenStorage> storage_;
  int64_t begin_ = 0, end_ = 0;
};

struct CorpusOptions {
  double val_fraction = 0.1;  // the end of the text, if there is no validation text
  /// Called about once per mebibyte of encoded text. It may throw, e.g. at a signal.
  std::function<void()> check_stop;
};

/// Encodes `files` one after the other, plain or gzip'd (.gz, .dz). Throws InputError for text that
/// is not UTF-8, naming file and byte, and if there is no text.
TokenRow encode_files(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                      const CorpusOptions& options);

struct TextSplits {
  std::string name;  // short, for the run folder
  TokenRow train, val;
};
/// Without `val_text` the last val_fraction of `text` is for validation.
TextSplits open_corpus(const std::vector<std::string>& text,
                       const std::vector<std::string>& val_text, const Tokenizer& tokenizer,
                       const CorpusOptions& options);

enum class Objective : uint8_t { kMasked, kCausal };

struct TextBatchOptions {
  Objective objective = Objective::kMasked;
  int64_t tokens = 128;  // N, the length of a window
  int64_t batch_size = 32;
  uint64_t seed = 0;
  bool train = true;  // shuffle, shift the windows each epoch, drop the last partial batch
  bool shuffle = true;
  // BERT's masking (Devlin et al. 2019, section 3.1): of the chosen 15 %, 80 % become [MASK], 10 %
  // a random token, and 10 % stay.
  double mask_share = 0.15;
  SpecialIds special;
  int64_t vocab = 0;
};

struct TextBatch {
  std::vector<int64_t> ids;      // (B, N)
  std::vector<int64_t> targets;  // (B, N); -100: not scored
  int64_t batch = 0;             // B
};

/// A batch is a function of (seed, epoch, index) alone. A window is N ids and their targets. Causal
/// targets are the next ids, so a causal window reads N + 1 ids. In training, consecutive windows
/// begin at an offset drawn per epoch, come in random order, and form whole batches only. In
/// evaluation they begin at the start of the row, and the last window is moved back to end with the
/// row. The ids that it shares with the window before are not scored again, so that each id is
/// scored once (except the first in a causal model).
class TextLoader {
 public:
  /// Throws InputError if the row is shorter than a window, or if the tokenizer lacks the mask.
  TextLoader(const TokenRow& tokens, const TextBatchOptions& options);
  int64_t batches_per_epoch() const;
  TextBatch batch(int64_t epoch, int64_t index) const;

 private:
  void append_masked(int64_t begin, int64_t fresh, int64_t epoch, int64_t window,
                     TextBatch& batch) const;

  TokenRow tokens_;
  TextBatchOptions options_;
  int64_t span_ = 0;        // ids that a window reads
  int64_t windows_ = 0;     // per epoch
  int64_t batch_size_ = 0;  // at most windows_
};

}  // namespace gmlp
