#pragma once
// A corpus: text files as one row of token ids. Encoding a large text takes long, so its ids are
// kept in a cache file, named by checksums of text and tokenizer, and mapped into memory.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

struct CorpusOptions {
  std::string cache_dir;      // empty: $GMLP_CACHE, $XDG_CACHE_HOME/gmlp or ~/.cache/gmlp
  double val_fraction = 0.1;  // the end of the text, where there is no validation text
};

/// A read-only row of ids; copies share it.
class TokenRow {
 public:
  int64_t size() const { return end_ - begin_; }
  int64_t operator[](int64_t i) const;
  TokenRow slice(int64_t begin, int64_t end) const;
  /// How many bytes of text the ids stand for: for bits per byte.
  int64_t text_bytes() const { return text_bytes_; }

 private:
  friend TokenRow open_tokens(const std::vector<std::string>&, const Tokenizer&,
                              const CorpusOptions&, std::vector<std::string>*);
  struct Storage;
  std::shared_ptr<const Storage> storage_;
  int64_t begin_ = 0;
  int64_t end_ = 0;
  int64_t text_bytes_ = 0;
};

/// Encodes `files` one after the other, or takes them from the cache. Plain or gzip'd text (.gz,
/// .dz). Stops at a signal. Throws InputError for text that is not UTF-8, naming file and byte.
TokenRow open_tokens(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                     const CorpusOptions& options, std::vector<std::string>* notes);

struct TextSplits {
  std::string name;  // short, for the run folder
  TokenRow train;
  TokenRow val;
  std::vector<std::string> notes;
};
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

/// What a batch holds is a function of (seed, epoch, index) alone. Causal windows are N + 1 ids
/// long, ids without the last, targets without the first; masked ones N.
class TextLoader {
 public:
  TextLoader(const TokenRow& tokens, const TextBatchOptions& options);
  /// With `train` whole batches only; else the last one may be smaller, and its windows are fixed.
  int64_t batches_per_epoch() const;
  TextBatch batch(int64_t epoch, int64_t index) const;

 private:
  TokenRow tokens_;
  TextBatchOptions options_;
};

}  // namespace gmlp
