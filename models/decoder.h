#pragma once
// Causal decoding a token at a time. What earlier tokens left behind is kept, so that a token costs
// O(N E + D F) in a gMLP block, not N times that: the spatial projection of token t is one row of W
// over the normed gates of tokens 0..t, an attention one query over their keys and values.

#include <cstdint>
#include <memory>
#include <vector>

#include "models/language.h"

namespace gmlp {

class Decoder {
 public:
  /// Reads the model's weights where they are: the model must outlive the decoder, and a change of
  /// its weights calls for reset(). Throws InputError for a model that is not causal.
  explicit Decoder(LanguageModel& model);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Forgets all tokens.
  void reset();
  /// Takes the token at position() and returns the logits (V) of the one after it, the same as
  /// LanguageModel::forward's; valid until the next call. A model sees N tokens at most: when
  /// position() is N, the caller calls reset() and feeds, say, the last N / 2 ids again.
  const std::vector<double>& feed(int64_t id);
  /// How many tokens were fed since the last reset().
  int64_t position() const { return position_; }

  /// One dtype's arithmetic.
  class Steps;

 private:
  std::unique_ptr<Steps> steps_;
  int64_t tokens_;  // N
  int64_t vocab_;   // V
  int64_t position_ = 0;
  std::vector<double> logits_;
};

}  // namespace gmlp
