// WordPiece as BERT has it (Devlin et al. 2019; a vocab.txt, a piece a line, "##" before the pieces
// that go on inside a word). Two passes over each word:
//   basic      control characters vanish, white space (newlines too) parts words, each punctuation
//              mark and each CJK character is a word; for an uncased vocabulary lower case (with
//              Greek's final sigma), then NFD without its combining marks
//   wordpiece  from the left the longest piece that fits, [UNK] for a word that cannot be made
// Each byte of a normalized word remembers the bytes of the text that it comes from.
#include <algorithm>
#include <array>
#include <unordered_map>

#include <utf8proc.h>

#include "core/error.h"
#include "data/text/kinds.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

// A longer word is [UNK]. In characters; Google's own code has 200, later tokenizers took 100.
constexpr int64_t kMaxWord = 100;

constexpr char32_t kSigma = 0x03A3;       // capital
constexpr char32_t kFinalSigma = 0x03C2;  // small

bool is_ascii(char32_t c) {
  return c < 0x80;
}

utf8proc_category_t category_of(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool is_space(char32_t c) {
  if (is_ascii(c)) return c == ' ' || c == '\t' || c == '\n' || c == '\r';
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP;
}

/// Characters that BERT drops from the text.
bool is_dropped(char32_t c) {
  if (is_ascii(c)) return c < 0x20 || c == 0x7F;
  const utf8proc_category_t category = category_of(c);
  return c == 0xFFFD || category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF;
}

/// All marks of ASCII, such as $ and ^, which Unicode calls symbols; else Unicode's punctuation.
bool is_punctuation(char32_t c) {
  if (is_ascii(c)) {
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
  }
  const utf8proc_category_t category = category_of(c);
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

/// The blocks of CJK ideographs; not kana and not Hangul, whose words have spaces or are pieces.
bool is_cjk(char32_t c) {
  if (c < 0x3400) return false;
  struct Range {
    char32_t first, last;
  };
  constexpr std::array<Range, 8> kRanges = {{{0x4E00, 0x9FFF},
                                             {0x3400, 0x4DBF},
                                             {0x20000, 0x2A6DF},
                                             {0x2A700, 0x2B73F},
                                             {0x2B740, 0x2B81F},
                                             {0x2B820, 0x2CEAF},
                                             {0xF900, 0xFAFF},
                                             {0x2F800, 0x2FA1F}}};
  return std::any_of(kRanges.begin(), kRanges.end(),
                     [&](const Range& range) { return c >= range.first && c <= range.last; });
}

/// Unicode's Case_Ignorable: marks and signs that stand in a word without being a letter of it.
bool is_case_ignorable(char32_t c) {
  constexpr std::u32string_view kInsideWords =
      U"\'.:\u00B7\u0387\u055F\u05F4\u2018\u2019\u2024\u2027\uFE13\uFE52\uFE55\uFF07\uFF0E\uFF1A";
  switch (category_of(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return kInsideWords.find(c) != std::u32string_view::npos;
  }
}

/// Unicode's Cased, of characters that are not Case_Ignorable: letters, numbers and signs (a Roman
/// numeral, a circled letter) with an upper and a lower case.
bool is_cased(char32_t c) {
  const utf8proc_category_t category = category_of(c);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) return true;
  const bool ordinal = c == 0xAA || c == 0xBA;
  const bool roman = c >= 0x2160 && c <= 0x217F;
  const bool circled = c >= 0x24B6 && c <= 0x24E9;
  const bool squared = (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
                       (c >= 0x1F170 && c <= 0x1F189);
  return ordinal || roman || circled || squared;
}

/// Whether the capital sigma at byte `at` ends a word (Final_Sigma in Unicode's SpecialCasing.txt):
/// a cased character before it and none behind it, others than those to be ignored not counted.
bool is_final_sigma(std::string_view text, int64_t at) {
  const auto is_passed = [](char32_t c) {
    return !is_space(c) && (is_dropped(c) || is_case_ignorable(c));
  };
  bool cased_before = false;
  for (int64_t i = at; i > 0;) {
    do --i;
    while ((text[static_cast<size_t>(i)] & 0xC0) == 0x80);
    const char32_t before = utf8_at(text, i).code;
    if (is_passed(before)) continue;
    cased_before = is_cased(before);
    break;
  }
  if (!cased_before) return false;
  for (int64_t i = at + utf8_at(text, at).size; i < static_cast<int64_t>(text.size());) {
    const Utf8Char behind = utf8_at(text, i);
    if (!is_passed(behind.code)) return !is_cased(behind.code);
    i += behind.size;
  }
  return true;
}

/// A normalized word. begins[i] and ends[i]: where the text of its byte i stands.
struct Word {
  std::string text;
  std::vector<int64_t> begins, ends;
  int64_t characters = 0;

  void add(char32_t code, int64_t begin, int64_t end) {
    append_utf8(text, code);
    begins.resize(text.size(), begin);
    ends.resize(text.size(), end);
    ++characters;
  }
  /// A dropped accent belongs to the letter before it.
  void extend(int64_t end) {
    for (size_t i = ends.size(); i > 0; --i) {
      ends[i - 1] = end;
      if ((text[i - 1] & 0xC0) != 0x80) break;  // the letter's first byte
    }
  }
  void clear() {
    text.clear();
    begins.clear();
    ends.clear();
    characters = 0;
  }
};

struct ViewHash {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// Pieces of one kind, first ones or further ones ("##" taken off).
struct PieceMap {
  std::unordered_map<std::string, int64_t, ViewHash, std::equal_to<>> ids;
  size_t longest = 0;

  bool insert(std::string_view piece, int64_t id) {
    longest = std::max(longest, piece.size());
    return ids.emplace(piece, id).second;
  }
};

class WordPieceTokenizer : public Tokenizer {
 public:
  WordPieceTokenizer(std::string bytes, const std::string& name) : bytes_(std::move(bytes)) {
    check_text(bytes_, name);
    std::string_view rest = bytes_;
    while (!rest.empty()) {
      const size_t line_end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, line_end);
      rest.remove_prefix(std::min(line_end + 1, rest.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      add_piece(line, name);
    }
    special_ = {id_of("[PAD]", name), id_of("[UNK]", name), id_of("[CLS]", name),
                id_of("[SEP]", name), id_of("[MASK]", name)};
  }

  const char* kind() const override { return "wordpiece"; }
  int64_t vocab() const override { return static_cast<int64_t>(pieces_.size()); }
  SpecialIds special() const override { return special_; }

  std::vector<Piece> encode(std::string_view text) const override {
    check_text(text, "the text");
    std::vector<Piece> out;
    Word word;
    for (int64_t at = 0; at < static_cast<int64_t>(text.size());) {
      const Utf8Char character = utf8_at(text, at);
      const int64_t end = at + character.size;
      char32_t c = character.code;
      if (!cased_ && c == kSigma && is_final_sigma(text, at)) c = kFinalSigma;
      if (is_space(c)) {
        finish(word, out);
      } else if (!is_dropped(c)) {
        add_character(c, at, end, word, out);
      }
      at = end;
    }
    finish(word, out);
    return out;
  }

  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (is_special(id)) continue;
      std::string_view piece = "\uFFFD";
      if (id >= 0 && id < vocab() && id != special_.unknown) piece = at(id);
      const bool goes_on = piece.starts_with("##") && piece.size() > 2;
      if (goes_on) piece.remove_prefix(2);
      const bool closes =
          piece.size() == 1 && std::string_view(".,!?;:").find(piece[0]) != std::string_view::npos;
      if (!text.empty() && !goes_on && !closes) text.push_back(' ');
      text.append(piece);
    }
    return text;
  }

  std::string name(int64_t id) const override {
    return std::string(id >= 0 && id < vocab() ? at(id) : "[UNK]");
  }
  std::string file_name() const override { return "vocab.txt"; }
  std::string file_bytes() const override { return bytes_; }

 private:
  std::string_view at(int64_t id) const { return pieces_[static_cast<size_t>(id)]; }
  bool is_special(int64_t id) const {
    return id == special_.pad || id == special_.cls || id == special_.sep || id == special_.mask;
  }

  void add_piece(std::string_view piece, const std::string& name) {
    const size_t line = pieces_.size() + 1;
    if (piece.empty()) {
      fail_input("{}: line {} is empty; a vocab.txt has a piece on every line", name, line);
    }
    const bool goes_on = piece.starts_with("##") && piece.size() > 2;
    PieceMap& map = goes_on ? further_ : first_;
    if (!map.insert(goes_on ? piece.substr(2) : piece, static_cast<int64_t>(line) - 1)) {
      fail_input("{}: line {} has the piece {} again; remove it", name, line, printable(piece));
    }
    pieces_.push_back(piece);
    // "[CLS]" says nothing of the letters: a vocabulary is uncased if no other piece has a letter
    // that could be smaller.
    if (piece.front() == '[' && piece.back() == ']') return;
    for (int64_t i = 0; i < static_cast<int64_t>(piece.size());) {
      const Utf8Char character = utf8_at(piece, i);
      const utf8proc_int32_t code = static_cast<utf8proc_int32_t>(character.code);
      if (utf8proc_tolower(code) != code) cased_ = true;
      i += character.size;
    }
  }

  int64_t id_of(std::string_view piece, const std::string& name) const {
    const auto found = first_.ids.find(piece);
    if (found == first_.ids.end()) {
      fail_input("{}: has no line {}; is it a whole vocab.txt of WordPiece?", name, piece);
    }
    return found->second;
  }

  /// One character of the text, normalized; words end where it parts them.
  void add_character(char32_t c, int64_t begin, int64_t end, Word& word,
                     std::vector<Piece>& out) const {
    std::array<utf8proc_int32_t, 32> codes{};
    int64_t count = 1;
    codes[0] = static_cast<utf8proc_int32_t>(c);
    if (!cased_ && is_ascii(c)) {
      if (c >= 'A' && c <= 'Z') codes[0] += 'a' - 'A';
    } else if (!cased_) {
      int boundary = 0;  // of graphemes, which do not matter here
      count = utf8proc_decompose_char(utf8proc_tolower(codes[0]), codes.data(), codes.size(),
                                      UTF8PROC_DECOMPOSE, &boundary);
      require(count >= 0 && count <= static_cast<int64_t>(codes.size()), "a long decomposition");
    }
    const bool ideograph = is_cjk(c);
    if (ideograph) finish(word, out);
    for (int64_t i = 0; i < count; ++i) {
      const utf8proc_int32_t code = codes[static_cast<size_t>(i)];
      if (!cased_ && code >= 0x80 && utf8proc_category(code) == UTF8PROC_CATEGORY_MN) {
        word.extend(end);
        continue;
      }
      const bool alone = is_punctuation(static_cast<char32_t>(code));
      if (alone) finish(word, out);
      word.add(static_cast<char32_t>(code), begin, end);
      if (alone) finish(word, out);
    }
    if (ideograph) finish(word, out);
  }

  /// The word's pieces, and an empty word for the next.
  void finish(Word& word, std::vector<Piece>& out) const {
    if (word.text.empty()) return;
    const size_t before = out.size();
    const std::string_view text = word.text;
    bool whole = word.characters <= kMaxWord;
    for (size_t begin = 0; whole && begin < text.size();) {
      const PieceMap& map = begin == 0 ? first_ : further_;
      // Pieces and word are valid UTF-8, so a piece that fits ends where a character ends.
      size_t length = std::min(map.longest, text.size() - begin);
      auto found = map.ids.end();
      while (length > 0) {
        found = map.ids.find(text.substr(begin, length));
        if (found != map.ids.end()) break;
        --length;
      }
      whole = length > 0;
      if (!whole) break;
      out.push_back({found->second, word.begins[begin], word.ends[begin + length - 1]});
      begin += length;
    }
    if (!whole) {
      out.resize(before);
      out.push_back({special_.unknown, word.begins.front(), word.ends.back()});
    }
    word.clear();
  }

  std::string bytes_;
  std::vector<std::string_view> pieces_;  // of bytes_
  PieceMap first_, further_;
  SpecialIds special_;
  bool cased_ = false;
};

}  // namespace

std::unique_ptr<Tokenizer> read_wordpiece(std::string bytes, const std::string& name) {
  return std::make_unique<WordPieceTokenizer>(std::move(bytes), name);
}

}  // namespace gmlp
