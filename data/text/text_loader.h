#pragma once
// Windows of N ids, as batches. What a batch holds is a function of (seed, epoch, index) alone.

#include <cstdint>
#include <vector>

#include "data/text/corpus.h"

namespace gmlp {

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

/// A window is N ids and their targets. Causal targets are the next ids, so a causal window reads
/// N + 1 ids. In training, consecutive windows begin at an offset drawn per epoch, come in random
/// order, and form whole batches only. In evaluation they begin at the start of the row, and the
/// last window is moved back to end with the row. The ids that it shares with the window before are
/// not scored again, so that each id is scored once (except the first in a causal model).
///
/// Throws InputError if the row is shorter than a window, or if the tokenizer has no mask to train
/// on.
class TextLoader {
 public:
  TextLoader(const TokenRow& tokens, const TextBatchOptions& options);
  int64_t batches_per_epoch() const;
  TextBatch batch(int64_t epoch, int64_t index) const;

 private:
  int64_t window_begin(int64_t epoch, int64_t window, int64_t* fresh) const;
  void append_masked(int64_t begin, int64_t fresh, int64_t epoch, int64_t window,
                     TextBatch& batch) const;
  void append_causal(int64_t begin, int64_t fresh, TextBatch& batch) const;

  TokenRow tokens_;
  TextBatchOptions options_;
  int64_t span_ = 0;        // ids that a window reads
  int64_t windows_ = 0;     // per epoch
  int64_t batch_size_ = 0;  // at most windows_
};

}  // namespace gmlp
