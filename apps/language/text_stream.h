#pragma once
// Between text and the ids of models/generate.h: a prompt's ids, the ids that may be written, and
// text from ids as they come.

#include <cstdint>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

/// All ids of the vocabulary except the special ones.
std::vector<int64_t> writable_ids(const Tokenizer& tokenizer);

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
