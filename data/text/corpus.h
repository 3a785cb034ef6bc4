#pragma once
// A corpus: text files as one row of token ids. Encoding a large text takes long, so its ids are
// kept in a cache file, named by checksums of text and tokenizer, and mapped into memory.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

struct CorpusOptions {
  std::string cache_dir;      // empty: $GMLP_CACHE, $XDG_CACHE_HOME/gmlp or ~/.cache/gmlp
  double val_fraction = 0.1;  // the end of the text, where there is no validation text
  /// Called now and then while a text is encoded; stops it by throwing (at a signal, say).
  std::function<void()> check_stop;
};

struct TokenStorage;  // ids in memory or in a mapped file: token_cache.h

/// A read-only row of ids; copies share it.
class TokenRow {
 public:
  TokenRow() = default;
  explicit TokenRow(std::shared_ptr<const TokenStorage> storage);

  int64_t size() const { return end_ - begin_; }
  int64_t operator[](int64_t i) const;
  TokenRow slice(int64_t begin, int64_t end) const;
  /// How many bytes of text the ids stand for: for bits per byte. Exact for a row that begins and
  /// ends at a multiple of kTokenBlock or at the text's end, else within the bytes of one block.
  int64_t text_bytes() const;

 private:
  std::shared_ptr<const TokenStorage> storage_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
};

constexpr int64_t kTokenBlock = 64;  // ids between two known positions in the text

/// Encodes `files` one after the other, or takes them from the cache. Plain or gzip'd text (.gz,
/// .dz). `notes` (may be null) gets a line on what was done. Throws InputError for text that is not
/// UTF-8, naming file and byte, and for no text at all.
TokenRow open_tokens(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                     const CorpusOptions& options, std::vector<std::string>* notes);

struct TextSplits {
  std::string name;  // short, for the run folder
  TokenRow train;
  TokenRow val;
  std::vector<std::string> notes;
};
/// Without `val_text` the last val_fraction of `text` is for validation.
TextSplits open_corpus(const std::vector<std::string>& text,
                       const std::vector<std::string>& val_text, const Tokenizer& tokenizer,
                       const CorpusOptions& options);

enum class Objective : uint8_t { kMasked, kCausal };

/// How windows of a row become batches.
struct TextBatchOptions {
  Objective objective = Objective::kMasked;
  int64_t tokens = 128;  // N, a window's length
  int64_t batch_size = 32;
  uint64_t seed = 0;
  bool train = true;  // shuffle, shift the windows each epoch, drop the last partial batch
  bool shuffle = true;
  // BERT's masking (Devlin et al. 2019, section 3.1): of the chosen 15 %, 80 % become [MASK], 10 %
  // a random token, 10 % stay.
  double mask_share = 0.15;
  SpecialIds special;
  int64_t vocab = 0;
};

struct TextBatch {
  std::vector<int64_t> ids;      // (B, N)
  std::vector<int64_t> targets;  // (B, N); -100: not scored
  int64_t batch = 0;             // B
  int64_t epoch = 0;
  int64_t index = 0;  // within the epoch
};

/// What a batch holds is a function of (seed, epoch, index) alone. A window is N ids and their
/// targets; causal targets are the next ids, so such a window reads N + 1.
///
/// With `train` the windows lie side by side from a start that is drawn for each epoch, in drawn
/// order, and only whole batches are given. Else they lie side by side from the row's start, and
/// the last one is moved back to end with the row: what it shares with the one before is not scored
/// again, so each id is scored once (but the first, in a causal model).
///
/// Throws InputError when the row is shorter than a window or the tokenizer has no mask to train
/// on.
class TextLoader {
 public:
  TextLoader(const TokenRow& tokens, const TextBatchOptions& options);
  /// With `train` whole batches only; else the last one may be smaller.
  int64_t batches_per_epoch() const;
  TextBatch batch(int64_t epoch, int64_t index) const;

 private:
  int64_t window_begin(int64_t epoch, int64_t window, int64_t* fresh) const;
  void append_masked(int64_t begin, int64_t fresh, int64_t epoch, int64_t window,
                     TextBatch& batch) const;
  void append_causal(int64_t begin, int64_t fresh, TextBatch& batch) const;
  bool is_special(int64_t id) const;

  TokenRow tokens_;
  TextBatchOptions options_;
  int64_t span_ = 0;        // ids that a window reads
  int64_t windows_ = 0;     // in an epoch
  int64_t batch_size_ = 0;  // at most windows_
};

}  // namespace gmlp
