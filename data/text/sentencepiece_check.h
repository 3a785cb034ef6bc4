#pragma once
// A SentencePiece model is a protocol buffer that its library trusts: a damaged table of
// normalization makes it read outside of its memory, and some values end the process. So the parts
// that it does not check are checked here before it sees the file.

#include <cstdint>
#include <string>
#include <string_view>

namespace gmlp {

/// What the tokenizer wants to know of a model beyond the library's interface.
struct SentencePieceFacts {
  int64_t pieces = 0;
  bool dummy_prefix = true;  // encode puts a space before the text
};

/// Throws InputError naming `name` unless the library can load and use the model in safety.
SentencePieceFacts check_sentencepiece(std::string_view model, const std::string& name);

}  // namespace gmlp
