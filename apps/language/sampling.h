#pragma once
// Text that a causal model writes: one token after the other, each drawn from the model's
// distribution over the next one.

#include <cstdint>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"
#include "models/decoder.h"
#include "models/language.h"

namespace gmlp {

struct SamplingOptions {
  double temperature = 0.8;  // 0: always the likeliest
  int64_t top_k = 0;         // among so many likeliest only; 0: all
  double top_p = 1;          // among the likeliest that together have this probability
  uint64_t seed = 0;
};

/// Draws from softmax(logits / temperature) over the allowed ids; `draw` counts the draws of a
/// text, and with the seed decides this one. Ties go to the lower id.
int64_t sample(const std::vector<double>& logits, const std::vector<int64_t>& allowed,
               const SamplingOptions& options, int64_t draw);

class Generator {
 public:
  /// Starts behind `prompt`, of at least one id.
  Generator(LanguageModel& model, const Tokenizer& tokenizer, const std::vector<int64_t>& prompt,
            const SamplingOptions& options);
  /// The next token. Where the model's window is full, its second half becomes the first of a new
  /// one.
  int64_t next();

 private:
  const std::vector<double>& feed(int64_t id);

  Decoder decoder_;
  int64_t window_;
  std::vector<int64_t> allowed_;  // no special id, none without a meaning
  std::vector<int64_t> ids_;      // all so far
  const std::vector<double>* logits_ = nullptr;
  SamplingOptions options_;
  int64_t draws_ = 0;
};

/// Tokens to text as they come: only whole characters leave it.
class TextStream {
 public:
  explicit TextStream(const Tokenizer& tokenizer, const std::vector<int64_t>& before);
  /// What can be printed now that `id` is there; may be empty.
  std::string push(int64_t id);
  /// What was held back, each part of a character as U+FFFD.
  std::string flush();

 private:
  /// What the first `count` pending tokens add to the text.
  std::string text_of(size_t count) const;
  /// The same, printed.
  std::string release(size_t count);

  const Tokenizer& tokenizer_;
  std::vector<int64_t> context_;  // printed; the last ones, since text depends on what is before
  std::vector<int64_t> pending_;
};

/// The text of `ids` where they stand behind `before`, in whole characters.
std::string text_behind(const Tokenizer& tokenizer, const std::vector<int64_t>& before,
                        const std::vector<int64_t>& ids);

/// `prompt` as ids; for an empty one a newline, or another id that a text can begin behind.
std::vector<int64_t> prompt_ids(const Tokenizer& tokenizer, const std::string& prompt);

}  // namespace gmlp
