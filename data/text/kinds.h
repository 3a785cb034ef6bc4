#pragma once
// What open_tokenizer chooses from: one function a kind of file. Each takes the file's bytes and a
// name for errors, and throws InputError for whatever is wrong with them.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp {

std::unique_ptr<Tokenizer> make_bytes_tokenizer();  // bytes.cpp
std::unique_ptr<Tokenizer> make_chars_tokenizer(std::vector<char32_t> characters,
                                                const std::string& name);  // chars.cpp
std::unique_ptr<Tokenizer> read_wordpiece(std::string bytes, const std::string& name);
std::unique_ptr<Tokenizer> read_sentencepiece(std::string bytes, const std::string& name);

/// {"type": "bytes"} or {"type": "chars", "characters": ["a", ...]}: this project's tokenizer.json.
std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view bytes, const std::string& name);

/// The library of SentencePiece writes to standard error by itself; not after this call.
void silence_sentencepiece();

}  // namespace gmlp
