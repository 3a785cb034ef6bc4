#pragma once
// Between text and the ids of a model: ids as text on one line, a prompt's ids, and text as it is
// generated.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

/// "3.2 % of the tokens are unknown to the tokenizer", and a warning if most are.
std::string unknown_text(double share);

/// The text of one id, with the space before a word, or the name of a special id. May be only a
/// part of a character.
std::string piece_text(const Tokenizer& tokenizer, int64_t id);

/// The same without the space, and with ## before a piece that continues a word.
std::string word_text(const Tokenizer& tokenizer, int64_t id);

/// The beginning of a window on one line, without pads. A scored token, whose target is not
/// negative, appears as [MASK→target], or as [other→target] if masking replaced it by another
/// token. With `guesses`, the ids that a model predicts, it appears as [target] or [guess≠target].
std::string sample_line(const Tokenizer& tokenizer, std::span<const int64_t> ids,
                        std::span<const int64_t> targets = {},
                        std::span<const int64_t> guesses = {});

/// Converts generated ids to text, in whole characters.
class TextStream {
 public:
  /// `before` are the ids in front of the first one.
  TextStream(const Tokenizer& tokenizer, const std::vector<int64_t>& before)
      : tokenizer_(tokenizer), context_(before) {}
  /// Adds `id` and returns the text that is complete now; it may be empty.
  std::string push(int64_t id);
  /// Returns the rest, with U+FFFD for each incomplete part of a character.
  std::string flush() { return release(pending_.size()); }

 private:
  /// The text of the first `count` pending ids.
  std::string text_of(size_t count) const;
  /// The same, and moves these ids to the context.
  std::string release(size_t count);

  const Tokenizer& tokenizer_;
  std::vector<int64_t> context_;  // the last ids of the returned text, which affect what follows
  std::vector<int64_t> pending_;
};

}  // namespace gmlp
