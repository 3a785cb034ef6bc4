// The tokenizer without a vocabulary: an id is a byte. The special ids follow the 256 bytes.
#include <array>

#include <fmt/format.h>

#include "data/text/tokenizer.h"

namespace gmlp {
namespace {

constexpr int64_t kBytes = 256;
constexpr std::array<const char*, 4> kSpecialNames = {"[PAD]", "[CLS]", "[SEP]", "[MASK]"};
constexpr int64_t kVocab = kBytes + kSpecialNames.size();

class BytesTokenizer : public Tokenizer {
 public:
  const char* kind() const override { return "bytes"; }
  int64_t vocab() const override { return kVocab; }
  SpecialIds special() const override { return {kBytes, -1, kBytes + 1, kBytes + 2, kBytes + 3}; }

  std::vector<Piece> encode(std::string_view text) const override {
    std::vector<Piece> pieces;
    pieces.reserve(text.size());
    int64_t at = 0;
    for (const char c : text) {
      pieces.push_back({static_cast<unsigned char>(c), at, at + 1});
      ++at;
    }
    return pieces;
  }

  /// Returns the bytes unchanged: only a whole text is sure to be UTF-8.
  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (id >= 0 && id < kBytes) {
        text.push_back(static_cast<char>(id));
      } else if (id < 0 || id >= kVocab) {
        text += "\uFFFD";
      }
    }
    return text;
  }

  std::string name(int64_t id) const override {
    if (id < 0 || id >= kVocab) return "[UNK]";
    if (id >= kBytes) return kSpecialNames[static_cast<size_t>(id - kBytes)];
    if (id > 0x20 && id < 0x7F) return std::string(1, static_cast<char>(id));
    return fmt::format("<0x{:02X}>", id);
  }

  std::string file_name() const override { return "tokenizer.json"; }
  std::string file_bytes() const override { return "{\"type\":\"bytes\"}\n"; }
};

}  // namespace

std::unique_ptr<Tokenizer> make_bytes_tokenizer() {
  return std::make_unique<BytesTokenizer>();
}

}  // namespace gmlp
