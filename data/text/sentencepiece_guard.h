#pragma once
// What the SentencePiece library needs around it: a check of foreign models, and silence.

#include <string>
#include <string_view>

namespace gmlp {

/// A model is a protocol buffer that the library (0.1.97) trusts: a damaged normalization table,
/// for example, makes it read outside of its memory. Throws InputError naming `name` for every
/// model that the library would load and then could not use safely. Returns whether encoding adds a
/// space before the text, which the library's interface does not tell.
bool check_sentencepiece(std::string_view model, const std::string& name);

/// Stops the library from writing to standard error.
void silence_sentencepiece();

}  // namespace gmlp
