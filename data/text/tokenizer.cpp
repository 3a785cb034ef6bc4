#include "data/text/tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/io/file.h"
#include "data/text/utf8.h"

namespace gmlp {

std::vector<Piece> Tokenizer::encode(std::string_view text) const {
  if (std::string_view(kind()) != "bytes") check_text(text, "the text");
  std::vector<Piece> pieces;
  for (size_t begin = 0; begin < text.size();) begin = encode_part(text, begin, pieces);
  return pieces;
}

std::vector<int64_t> Tokenizer::encode_ids(std::string_view text) const {
  std::vector<int64_t> ids;
  for (const Piece& piece : encode(text)) ids.push_back(piece.id);
  return ids;
}

std::vector<Piece> encode_with_mask(const Tokenizer& tokenizer, std::string_view text) {
  constexpr std::string_view kMask = "[MASK]";
  const int64_t mask = tokenizer.special().mask;
  refuse_if(mask < 0, "the {} tokenizer has no [MASK]; use a model with another one",
            tokenizer.kind());
  std::vector<Piece> out;
  for (size_t begin = 0;;) {
    const size_t end = std::min(text.find(kMask, begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const int64_t shift = static_cast<int64_t>(begin);
    for (const Piece& piece :
         begin == 0 ? tokenizer.encode(part) : tokenizer.encode_continued(part)) {
      out.push_back({piece.id, shift + piece.begin, shift + piece.end});
    }
    if (end == text.size()) return out;
    begin = end + kMask.size();
    out.push_back({mask, static_cast<int64_t>(end), static_cast<int64_t>(begin)});
  }
}

std::unique_ptr<Tokenizer> open_tokenizer(const std::string& spec) {
  constexpr int64_t kLimit = int64_t{64} << 20;  // ten times the largest tokenizer in use
  if (spec == "bytes") return make_bytes_tokenizer();
  const std::string extension = std::filesystem::path(spec).extension().string();
  if (extension == ".model") return read_sentencepiece(read_text(spec, kLimit), spec);
  if (extension == ".json") return read_tokenizer_json(read_text(spec, kLimit), spec);
  fail_input(
      "{}: is not a tokenizer that this program reads; use `bytes`, a SentencePiece .model or a "
      "tokenizer.json (make one with `gmlp-language tokenizer train`)",
      spec);
}

std::unique_ptr<Tokenizer> open_stored_tokenizer(const std::string& folder) {
  for (const char* name : {"tokenizer.model", "tokenizer.json"}) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path)) return open_tokenizer(path.string());
  }
  fail_input("{}: has no tokenizer.model or .json; is it a language model's checkpoint?", folder);
}

std::string train_tokenizer(const std::vector<std::string>& files,
                            const TokenizerTraining& options) {
  if (options.type == "bytes") return make_bytes_tokenizer()->file_bytes();
  const bool chars = options.type == "chars";
  constexpr int64_t kMax = 1'000'000;
  const int64_t least = chars ? 6 : 262;  // five special ids, 256 bytes, and one more
  refuse_if(!(chars && options.vocab == 0) && (options.vocab < least || options.vocab > kMax),
            "--vocab-size {}: must be between {} and {} for --type {}", options.vocab, least, kMax,
            options.type);
  refuse_if(options.model_type != "unigram" && options.model_type != "bpe",
            "--model-type {}: must be unigram or bpe", printable(options.model_type));
  return chars ? train_chars(files, options.vocab) : train_sentencepiece(files, options);
}

}  // namespace gmlp
