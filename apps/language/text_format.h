#pragma once
// Token ids as a person is shown them, on one line.

#include <string>
#include <vector>

#include "data/text/text_loader.h"
#include "data/text/tokenizer.h"

namespace gmlp {

constexpr size_t kMostShownBytes = 140;  // of text on a line, but for the rest of the last token

/// The text that one id stands for, the space before a word with it; special ids by name. May be a
/// part of a character only.
std::string piece_text(const Tokenizer& tokenizer, int64_t id);

/// The same on its own: without the space, and with ## before what goes on with a word.
std::string word_text(const Tokenizer& tokenizer, int64_t id);

/// `bytes` on one line: a newline becomes ⏎, another control character or a stray byte �.
std::string one_line(const std::string& bytes);

/// The beginning of window `row`: scored tokens as [MASK→word], or [seen→word] where the word was
/// exchanged for another, in colour if wanted. With guesses (a row's N ids) instead [word] where
/// the guess is right and [guess≠word] where it is not.
std::string masked_line(const Tokenizer& tokenizer, const TextBatch& batch, int64_t row,
                        const std::vector<int64_t>& guesses, bool colours);

/// The beginning of window `row`, as it stands.
std::string plain_line(const Tokenizer& tokenizer, const TextBatch& batch, int64_t row);

}  // namespace gmlp
