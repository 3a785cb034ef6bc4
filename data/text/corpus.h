#pragma once
// A corpus: text files as one row of token ids, and windows of N ids as batches.

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/text/tokenizer.h"
#include "data/text/utf8.h"

namespace gmlp {

constexpr int64_t kTokenBlock = 64;  // ids between two known positions in the text

/// The ids of a text, in memory. When that has 32 MiB, they move to a file without a name in
/// $TMPDIR (default /var/tmp), which the system removes with the process, and memory is used anew.
class TokenStorage {
 public:
  struct Block {
    int64_t position;  // the byte of the text at which it begins
    std::array<uint32_t, kTokenBlock> ids;
  };
  /// Appends an id that begins at byte `position`. Throws RunError (a full disk).
  void add(int64_t id, int64_t position);
  int64_t size() const { return size_; }
  Block block(int64_t index) const;

  int64_t text_bytes = 0;
  int64_t unknown = 0;  // ids of text that the tokenizer does not know

 private:
  void spill();

  int64_t size_ = 0;
  std::vector<Block> memory_;
  int64_t spilled_ = 0;  // blocks in the file, before memory_
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, std::fclose};
};

/// A read-only row of ids. Copies share the storage.
class TokenRow {
 public:
  TokenRow() = default;
  explicit TokenRow(std::shared_ptr<const TokenStorage> storage)
      : storage_(std::move(storage)), end_(storage_->size()) {}

  int64_t size() const { return end_ - begin_; }
  /// The ids [begin, begin + count).
  std::vector<int64_t> ids(int64_t begin, int64_t count) const;
  TokenRow slice(int64_t begin, int64_t end) const;
  /// The number of bytes of text that the ids encode, for bits per byte: exact if the row begins
  /// and ends at multiples of kTokenBlock or the text's ends, interpolated between them.
  int64_t text_bytes() const;
  /// The share of the whole text's ids that are the id of unknown text.
  double unknown_share() const;

 private:
  std::shared_ptr<const TokenStorage> storage_;
  int64_t begin_ = 0, end_ = 0;
};

struct CorpusOptions {
  double val_fraction = 0.1;  // the end of the text, if there is no validation text; 0: none
  BadRows* bad = nullptr;     // where to count lines that are no text; null: they are errors
  /// Called about once per mebibyte of encoded text. It may throw, e.g. at a signal.
  std::function<void()> check_stop;
};

/// Encodes `files` one after the other, plain or gzip'd (.gz, .dz), or "-", standard input. Throws
/// InputError for text that is not UTF-8, naming file and byte, and if there is no text.
TokenRow encode_files(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                      const CorpusOptions& options);

struct TextSplits {
  std::string name;  // short, for the run folder
  TokenRow train, val;
};
/// Without `val_text` the last val_fraction of `text` is for validation, from a multiple of
/// kTokenBlock on if there are that many ids.
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
/// The number of targets that are scored.
int64_t scored_tokens(const TextBatch& batch);

/// A batch is a function of (seed, epoch, index) alone. A window is N ids and their targets. Causal
/// targets are the next ids, so a causal window reads N + 1 ids. In training, windows begin at an
/// offset drawn per epoch, come in random order, and form whole batches only. In evaluation the
/// last window is moved back to end with the row, and ids that an earlier one has scored are not
/// scored again.
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
