#pragma once
// Generation: token after token from a causal model, each drawn from the model's distribution over
// the next one. On ids alone; apps/language turns them into text.

#include <cstdint>
#include <vector>

#include "models/decoder.h"
#include "models/language.h"

namespace gmlp {

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
