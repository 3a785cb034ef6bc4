#include "data/text/tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/io/file.h"
#include "data/text/kinds.h"

namespace gmlp {
namespace {

constexpr std::string_view kMaskWord = "[MASK]";

}  // namespace

std::vector<int64_t> Tokenizer::encode_ids(std::string_view text) const {
  std::vector<int64_t> ids;
  for (const Piece& piece : encode(text)) ids.push_back(piece.id);
  return ids;
}

std::vector<Piece> encode_with_mask(const Tokenizer& tokenizer, std::string_view text) {
  const int64_t mask = tokenizer.special().mask;
  if (mask < 0)
    fail_input("the tokenizer ({}) has no {}; take another", tokenizer.kind(), kMaskWord);
  std::vector<Piece> out;
  size_t begin = 0;
  while (true) {
    const size_t end = std::min(text.find(kMaskWord, begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const int64_t shift = static_cast<int64_t>(begin);
    for (const Piece& piece :
         begin == 0 ? tokenizer.encode(part) : tokenizer.encode_continued(part)) {
      out.push_back({piece.id, piece.begin + shift, piece.end + shift});
    }
    if (end == text.size()) return out;
    begin = end + kMaskWord.size();
    out.push_back({mask, static_cast<int64_t>(end), static_cast<int64_t>(begin)});
  }
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& spec) {
  if (spec == "bytes") return make_bytes_tokenizer();
  const std::string extension = std::filesystem::path(spec).extension().string();
  const bool known = extension == ".model" || extension == ".txt" || extension == ".json";
  if (!known) {
    fail_input(
        "{}: is no tokenizer; name `bytes`, a SentencePiece .model, a WordPiece vocab.txt or a "
        "tokenizer.json (make one with `gmlp-language tokenizer train`)",
        spec);
  }
  constexpr int64_t kLimit = int64_t{64} << 20;  // ten times the largest in use
  std::string bytes = read_text(spec, kLimit);
  if (extension == ".model") return read_sentencepiece(std::move(bytes), spec);
  if (extension == ".txt") return read_wordpiece(std::move(bytes), spec);
  return read_tokenizer_json(bytes, spec);
}

std::unique_ptr<Tokenizer> open_stored_tokenizer(const std::string& folder) {
  for (const char* name : {"tokenizer.model", "vocab.txt", "tokenizer.json"}) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path)) return open_tokenizer(path.string());
  }
  fail_input(
      "{}: holds no tokenizer (tokenizer.model, vocab.txt or tokenizer.json); is it the "
      "checkpoint of a language model?",
      folder);
}

}  // namespace gmlp
