#pragma once
// What any tokenizer from a file must survive.

#include "data/text/tokenizer.h"
#include "tests/fuzz/fuzz.h"

namespace gmlp::test {

inline void use_tokenizer(const gmlp::Tokenizer& tokenizer, std::string_view text) {
  int64_t last = 0;
  std::vector<int64_t> ids;
  for (const gmlp::Piece& piece : tokenizer.encode(text)) {
    check(piece.id >= 0 && piece.id < tokenizer.vocab());
    check(piece.begin >= last && piece.end >= piece.begin);
    check(piece.end <= static_cast<int64_t>(text.size()));
    last = piece.begin;
    ids.push_back(piece.id);
    tokenizer.name(piece.id);
  }
  tokenizer.decode(ids);
  gmlp::encode_with_mask(tokenizer, std::string(text) + "[MASK]" + std::string(text));
  tokenizer.file_bytes();
}

}  // namespace gmlp::test
