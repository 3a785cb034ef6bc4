// The tokenizer without a vocabulary: an id is a byte. Special ids stand behind the 256 bytes.
#include <fmt/format.h>

#include "data/text/kinds.h"

namespace gmlp {
namespace {

constexpr int64_t kPad = 256;
constexpr int64_t kCls = 257;
constexpr int64_t kSep = 258;
constexpr int64_t kMask = 259;

class BytesTokenizer : public Tokenizer {
 public:
  const char* kind() const override { return "bytes"; }
  int64_t vocab() const override { return 260; }
  SpecialIds special() const override { return {kPad, -1, kCls, kSep, kMask}; }

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

  /// The bytes as they are: only the whole of a text is sure to be UTF-8.
  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (id >= 0 && id < 256) {
        text.push_back(static_cast<char>(id));
      } else if (id < 0 || id >= vocab()) {
        text += "\uFFFD";
      }
    }
    return text;
  }

  std::string name(int64_t id) const override {
    if (id > 0x20 && id < 0x7F) return std::string(1, static_cast<char>(id));
    switch (id) {
      case kPad:
        return "[PAD]";
      case kCls:
        return "[CLS]";
      case kSep:
        return "[SEP]";
      case kMask:
        return "[MASK]";
      default:
        return id >= 0 && id < 256 ? fmt::format("<0x{:02X}>", id) : "[UNK]";
    }
  }

  std::string file_name() const override { return "tokenizer.json"; }
  std::string file_bytes() const override { return "{\"type\":\"bytes\"}\n"; }
};

}  // namespace

std::unique_ptr<Tokenizer> make_bytes_tokenizer() {
  return std::make_unique<BytesTokenizer>();
}

}  // namespace gmlp
