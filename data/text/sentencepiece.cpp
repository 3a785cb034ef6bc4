// SentencePiece (Kudo and Richardson 2018) through its library. A newline is white space: the
// library gets one line at a time, so that its memory is that of a line, and a line without end is
// parted at spaces. Encoding a text is thus encoding its lines one by one.
#include <algorithm>
#include <array>
#include <utility>

#include <sentencepiece_processor.h>

#include "core/error.h"
#include "data/text/kinds.h"
#include "data/text/sentencepiece_check.h"
#include "data/text/utf8.h"

// Not in the installed headers, yet the only way to be silent that the library has.
namespace sentencepiece::logging {
void SetMinLogLevel(int level);  // NOLINT(readability-identifier-naming)
}

namespace gmlp {

void silence_sentencepiece() {
  constexpr int kFatal = 3;
  sentencepiece::logging::SetMinLogLevel(kFatal);
}

namespace {

namespace sp = sentencepiece;

constexpr std::string_view kSpace = "\u2581";  // how a piece writes a space

/// Special tokens: the names that a model may have for each; the first is what we add.
struct SpecialNames {
  int64_t SpecialIds::*id;
  std::array<const char*, 2> names;
};
constexpr std::array<SpecialNames, 4> kSpecials = {{{&SpecialIds::pad, {"<pad>", "[PAD]"}},
                                                    {&SpecialIds::cls, {"[CLS]", "<cls>"}},
                                                    {&SpecialIds::sep, {"[SEP]", "<sep>"}},
                                                    {&SpecialIds::mask, {"[MASK]", "<mask>"}}}};

/// The end of what is encoded at once from `begin` on: the line's end, or in a long line a space,
/// or if there is none the end of a character.
size_t part_end(std::string_view text, size_t begin) {
  constexpr size_t kLongest = 1 << 14;
  size_t end = std::min(text.find('\n', begin), text.size());
  if (end - begin <= kLongest) return end;
  end = text.rfind(' ', begin + kLongest);
  if (end != std::string_view::npos && end > begin) return end;
  end = begin + kLongest;
  while ((text[end] & 0xC0) == 0x80) --end;
  return end;
}

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string bytes, const std::string& name)
      : bytes_(std::move(bytes)), name_(name) {
    silence_sentencepiece();
    facts_ = check_sentencepiece(bytes_, name);
    load(bytes_, processor_);
    // `[MASK]` and the like are "true" special pieces only as control symbols: others are found in
    // text. Those that are missing stand behind the model's own.
    model_pieces_ = processor_.GetPieceSize();
    require(model_pieces_ == facts_.pieces, "SentencePiece counts other pieces than we do");
    special_.unknown = processor_.unk_id();
    for (const SpecialNames& wanted : kSpecials) {
      int64_t& id = special_.*wanted.id;
      for (const char* piece : wanted.names) {
        const int found = processor_.PieceToId(piece);
        if (id < 0 && processor_.IsControl(found)) id = found;
      }
      if (id < 0) {
        id = vocab();
        added_.emplace_back(wanted.names[0]);
      }
    }
  }

  const char* kind() const override { return "sentencepiece"; }
  int64_t vocab() const override { return model_pieces_ + static_cast<int64_t>(added_.size()); }
  SpecialIds special() const override { return special_; }

  std::vector<Piece> encode(std::string_view text) const override {
    check_text(text, "the text");
    std::vector<Piece> out;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = part_end(text, begin);
      encode_part(processor_, text.substr(begin, end - begin), begin, out);
      begin = end < text.size() && (text[end] == '\n' || text[end] == ' ') ? end + 1 : end;
    }
    return out;
  }

  std::vector<Piece> encode_continued(std::string_view text) const override {
    check_text(text, "the text");
    const size_t end = text.empty() ? 0 : part_end(text, 0);
    const bool starts_word = text.empty() || text[0] == ' ' || end == 0;
    if (!facts_.dummy_prefix || starts_word) return encode(text);
    // In a protocol buffer the last value of a field counts: normalizer {dummy prefix: false}.
    sp::SentencePieceProcessor processor;
    load(bytes_ + std::string("\x1A\x02\x18\x00", 4), processor);
    std::vector<Piece> out;
    encode_part(processor, text.substr(0, end), 0, out);
    for (const Piece& piece : encode(text.substr(end))) {
      const int64_t shift = static_cast<int64_t>(end);
      out.push_back({piece.id, piece.begin + shift, piece.end + shift});
    }
    return out;
  }

  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      const int piece = static_cast<int>(id);
      if (id < 0 || id >= vocab() || id == special_.unknown) {
        text += "\uFFFD";
      } else if (id >= model_pieces_ || processor_.IsControl(piece)) {
        continue;
      } else if (processor_.IsByte(piece)) {  // "<0x41>"
        text.push_back(
            static_cast<char>(std::stoi(processor_.IdToPiece(piece).substr(3), nullptr, 16)));
      } else {
        append_piece(processor_.IdToPiece(piece), text);
      }
    }
    if (facts_.dummy_prefix && text.starts_with(' ')) text.erase(0, 1);
    return replace_invalid_utf8(text);
  }

  std::string name(int64_t id) const override {
    if (id < 0 || id >= vocab()) return processor_.IdToPiece(static_cast<int>(special_.unknown));
    if (id < model_pieces_) return processor_.IdToPiece(static_cast<int>(id));
    return added_[static_cast<size_t>(id - model_pieces_)];
  }
  std::string file_name() const override { return "tokenizer.model"; }
  std::string file_bytes() const override { return bytes_; }

 private:
  void load(std::string_view model, sp::SentencePieceProcessor& processor) const {
    try {
      const sp::util::Status status = processor.LoadFromSerializedProto(model);
      if (status.ok()) return;
      fail_load(status.ToString());
    } catch (const InputError&) {
      throw;
    } catch (const std::exception& error) {  // of the library's tries
      fail_load(error.what());
    }
  }
  [[noreturn]] void fail_load(std::string_view reason) const {
    fail_input("{}: SentencePiece cannot load it ({}); copy it again", name_, printable(reason));
  }

  /// Appends the pieces of `part`, which begins at byte `base` of the text.
  void encode_part(const sp::SentencePieceProcessor& processor, std::string_view part, size_t base,
                   std::vector<Piece>& out) const {
    sp::ImmutableSentencePieceText result;
    const sp::util::Status status = processor.Encode(part, result.mutable_proto());
    if (!status.ok()) {
      fail_input("{}: SentencePiece cannot encode the text from byte {} on ({})", name_, base,
                 printable(status.ToString()));
    }
    const int64_t count = static_cast<int64_t>(result.pieces_size());
    for (int64_t i = 0; i < count; ++i) {
      const sp::ImmutableSentencePieceText_ImmutableSentencePiece piece =
          result.pieces(static_cast<int>(i));
      const int64_t shift = static_cast<int64_t>(base);
      out.push_back({piece.id(), shift + piece.begin(), shift + piece.end()});
    }
  }

  static void append_piece(std::string_view piece, std::string& text) {
    while (!piece.empty()) {
      const size_t length = std::min(piece.find(kSpace), piece.size());
      text.append(piece.substr(0, length));
      piece.remove_prefix(length);
      if (piece.empty()) return;
      text.push_back(' ');
      piece.remove_prefix(kSpace.size());
    }
  }

  std::string bytes_;
  std::string name_;
  SentencePieceFacts facts_;
  sp::SentencePieceProcessor processor_;
  int64_t model_pieces_ = 0;
  std::vector<std::string> added_;
  SpecialIds special_;
};

}  // namespace

std::unique_ptr<Tokenizer> read_sentencepiece(std::string bytes, const std::string& name) {
  return std::make_unique<SentencePieceTokenizer>(std::move(bytes), name);
}

}  // namespace gmlp
