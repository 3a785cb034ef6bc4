#pragma once
// Causal decoding, one token at a time, and generation, which samples each next token from the
// model's distribution. Both work on ids; apps/language turns them into text.
//
// The past is cached, so a token costs O(N E + D F) in a gMLP block, not N times that.

#include <cstdint>
#include <vector>

#include "models/language.h"

namespace gmlp {

class Decoder {
 public:
  /// Reads the model's weights in place: the model must outlive the decoder, and reset() must
  /// follow a change of its weights. Throws InputError for a model that is not causal.
  explicit Decoder(const LanguageModel& model);

  /// Forgets all tokens. Caches beyond position() are never read.
  void reset() { position_ = 0; }
  /// Feeds the token at position() and returns the logits (V) of the next one, the same as
  /// LanguageModel::forward's; valid until the next call. A model has a window of N tokens: when
  /// position() is N, the caller calls reset() and feeds, say, the last N / 2 ids again.
  const std::vector<double>& feed(int64_t id);
  /// The number of tokens fed since the last reset().
  int64_t position() const { return position_; }

 private:
  /// What a block keeps of the tokens 0..t.
  struct Cache {
    Tensor v_hat;         // (N, E), gMLP
    Tensor keys, values;  // (N, A), attentions
  };

  const LanguageModel& model_;
  Arena arena_;
  std::vector<Cache> caches_;  // one per block
  int64_t position_ = 0;
  std::vector<double> logits_;
};

struct SamplingOptions {
  double temperature = 0.8;  // 0: always the most likely id
  int64_t top_k = 0;         // draw among the k most likely ids; 0: among all
  double top_p = 1;          // draw among the most likely ids that together have this probability
  uint64_t seed = 0;
};

/// Draws from softmax(logits / temperature) over the allowed ids. `draw` counts the draws of a
/// text; it and the seed decide this one. Ties go to the lower id.
int64_t sample(const std::vector<double>& logits, const std::vector<int64_t>& allowed,
               const SamplingOptions& options, int64_t draw);

class Generator {
 public:
  /// Continues `prompt`, of at least one id, with `allowed` ids. The model must outlive it.
  Generator(const LanguageModel& model, const std::vector<int64_t>& allowed,
            const std::vector<int64_t>& prompt, const SamplingOptions& options);
  /// The next token. When the model's window is full, its second half becomes the first half of a
  /// new one.
  int64_t next();

 private:
  const std::vector<double>& feed(int64_t id);

  Decoder decoder_;
  int64_t window_;
  std::vector<int64_t> allowed_;
  std::vector<int64_t> ids_;  // the prompt and all generated tokens
  const std::vector<double>* logits_ = nullptr;
  SamplingOptions options_;
  int64_t draws_ = 0;
};

}  // namespace gmlp
