#pragma once
// Causal decoding, one token at a time. The past is cached, so a token costs O(N E + D F) in a gMLP
// block, not N times that: the spatial projection of token t is one row of W over the normed v of
// tokens 0..t, an attention is one query over their keys and values.

#include <cstdint>
#include <memory>
#include <vector>

#include "models/language.h"

namespace gmlp {

class Decoder {
 public:
  /// Reads the model's weights in place: the model must outlive the decoder, and reset() must
  /// follow a change of its weights. Throws InputError for a model that is not causal.
  explicit Decoder(const LanguageModel& model);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Forgets all tokens. Caches beyond position() are never read.
  void reset() { position_ = 0; }
  /// Feeds the token at position() and returns the logits (V) of the next one, the same as
  /// LanguageModel::forward's; valid until the next call. A model has a window of N tokens: when
  /// position() is N, the caller calls reset() and feeds, say, the last N / 2 ids again.
  const std::vector<double>& feed(int64_t id);
  /// The number of tokens fed since the last reset().
  int64_t position() const { return position_; }

  /// The arithmetic and the caches of one dtype.
  class Steps;

 private:
  const LanguageConfig& config_;
  std::unique_ptr<Steps> steps_;
  int64_t position_ = 0;
  std::vector<double> logits_;
};

}  // namespace gmlp
