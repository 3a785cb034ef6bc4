#pragma once
// Token ids as readable text on one line.

#include <string>
#include <vector>

#include "data/text/corpus.h"
#include "data/text/tokenizer.h"

namespace gmlp {

constexpr size_t kLineBytes = 140;  // a line of sample text ends with the token that reaches this

/// The text of one id, with the space before a word, or the name of a special id. May be only a
/// part of a character.
std::string piece_text(const Tokenizer& tokenizer, int64_t id);

/// The same without the space, and with ## before a piece that continues a word.
std::string word_text(const Tokenizer& tokenizer, int64_t id);

/// `bytes` on one line: ⏎ for a newline, � for other control characters and invalid UTF-8.
std::string one_line(const std::string& bytes);

/// The beginning of window `row`. A scored token appears as [MASK→target], or as [other→target] if
/// masking replaced it by another token. With `guesses`, the N ids that a model predicts, it
/// appears as [target] or [guess≠target].
std::string masked_line(const Tokenizer& tokenizer, const TextBatch& batch, int64_t row,
                        const std::vector<int64_t>& guesses);

/// The beginning of window `row` without marks.
std::string plain_line(const Tokenizer& tokenizer, const TextBatch& batch, int64_t row);

}  // namespace gmlp
