// SentencePiece (Kudo and Richardson 2018) through its library. A newline is white space. The
// library encodes one line, or a part of a very long line, at a time: this bounds its memory.
//
// The library (0.1.97) trusts a model: a damaged one makes it read outside of its memory. So every
// model is checked first. Field numbers of its protocol buffer, from sentencepiece_model.proto:
//   model       1 piece (repeated), 3 normalizer, 5 denormalizer
//   piece       1 text, 3 type
//   normalizer  2 normalization table, 3 space before the text
#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#include <utf8proc.h>

#include "core/error.h"
#include "core/random.h"
#include "data/text/tokenizer.h"
#include "data/text/utf8.h"

// Not in the installed headers, but the only way to silence the library.
namespace sentencepiece::logging {
void SetMinLogLevel(int level);  // NOLINT(readability-identifier-naming)
}

namespace gmlp {
namespace {

namespace sp = sentencepiece;

constexpr std::string_view kSpace = "\u2581";  // a space in a piece

/// A special token and the names that models have for it. The first is the name of one we add.
struct SpecialNames {
  int64_t SpecialIds::*id;
  std::array<const char*, 2> names;
};
constexpr std::array<SpecialNames, 4> kSpecials = {{{&SpecialIds::pad, {"<pad>", "[PAD]"}},
                                                    {&SpecialIds::cls, {"[CLS]", "<cls>"}},
                                                    {&SpecialIds::sep, {"[SEP]", "<sep>"}},
                                                    {&SpecialIds::mask, {"[MASK]", "<mask>"}}}};

/// A field of a protocol buffer's message. Its type on the wire is 0 for a number and 2 for bytes.
struct Field {
  uint64_t number = 0;
  uint64_t value = 0;      // of a number
  std::string_view bytes;  // of bytes
};

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(what);
}

std::string_view remove_bytes(std::string_view& rest, uint64_t size) {
  if (size > rest.size()) fail("it ends inside a field");
  const std::string_view bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  return bytes;
}

uint64_t remove_varint(std::string_view& rest) {
  uint64_t result = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = static_cast<unsigned char>(remove_bytes(rest, 1)[0]);
    result |= (byte & 0x7F) << shift;
    if (byte < 0x80) return result;
  }
  fail("a number of more than 64 bits");
}

void for_each_field(std::string_view rest, const std::function<void(const Field&)>& use) {
  while (!rest.empty()) {
    const uint64_t tag = remove_varint(rest);
    if (tag > UINT32_MAX) fail("a field with an impossible number");
    Field field{tag >> 3, 0, {}};
    const uint64_t type = tag & 7;
    if (type == 0) field.value = remove_varint(rest);
    if (type == 1) remove_bytes(rest, 8);
    if (type == 2) field.bytes = remove_bytes(rest, remove_varint(rest));
    if (type == 5) remove_bytes(rest, 4);
    if (type > 5 || type == 3 || type == 4) fail("a field of an unknown type");
    use(field);
  }
}

/// Returns the piece's text if it is a user-defined symbol, otherwise "".
std::string_view check_piece(std::string_view piece) {
  constexpr size_t kMaxPiece = 8000;  // the library's trie recurses once per byte
  constexpr uint32_t kUserDefined = 4;
  std::string_view text;
  uint32_t type = 0;
  for_each_field(piece, [&](const Field& field) {
    if (field.number == 1) text = field.bytes;
    if (field.number == 3) type = static_cast<uint32_t>(field.value);
  });
  const bool has_nul = text.find('\0') != text.npos;
  if (text.empty() || text.size() > kMaxPiece || !is_utf8(text) || has_nul) {
    fail("a piece is not text");
  }
  return type == kUserDefined ? text : "";
}

/// Searching for user-defined symbols, the library stores every symbol that is a prefix of the
/// text in an array of 64, and reads as many as it found.
void check_symbols(const std::set<std::string_view>& symbols) {
  std::vector<std::string_view> prefixes;
  for (const std::string_view symbol : symbols) {
    while (!prefixes.empty() && !symbol.starts_with(prefixes.back())) prefixes.pop_back();
    prefixes.push_back(symbol);
    if (prefixes.size() > 64) fail("too many symbols begin alike");
  }
}

/// The normalization table: 4 bytes with the size of a trie, the trie as a double array (the
/// format of Darts-clone), then the replacements, each ended by a NUL. A unit of the array is a
/// node. `base`, its index XOR its offset, is the index of its value if it ends a key, and
/// base XOR c is the index of its child for the byte c. Nodes may share children. The library
/// neither checks these indices nor that at most 32 keys are prefixes of one another.
void check_table(std::string_view table) {
  if (table.empty()) return;  // nothing is normalized
  uint32_t size = 0;
  std::memcpy(&size, table.data(), std::min(table.size(), sizeof size));
  // Whole blocks of 256 units: if one child's index is inside the array, then all 256 are.
  if (size == 0 || size % 1024 != 0 || table.size() < 4 || size >= table.size() - 4) {
    fail("its normalization table has an impossible size");
  }
  std::vector<uint32_t> trie(size / 4);
  std::memcpy(trie.data(), table.data() + 4, size);
  const std::string_view replacements = table.substr(4 + size);
  if (replacements.back() != '\0' || !is_utf8(replacements)) {
    fail("its replacements of characters are not UTF-8");
  }
  std::vector<int> keys(trie.size(), -1);  // at most this many end on the way to a node
  std::vector<uint32_t> open = {0};
  keys[0] = 0;
  while (!open.empty()) {
    const uint32_t index = open.back();
    open.pop_back();
    const uint32_t unit = trie[index];
    const uint32_t offset = unit >> 10 << ((unit & 0x200) >> 6);
    const uint32_t base = index ^ offset;
    if (base >= keys.size()) fail("its normalization table points outside of itself");
    const bool ends_key = (unit & 0x100) != 0;
    const int count = keys[index] + (ends_key ? 1 : 0);
    const uint32_t value = ends_key ? trie[base] & 0x7FFFFFFF : 0;
    if (count > 32 || value >= replacements.size() || is_continuation(replacements[value])) {
      fail("its normalization table points between replacements");
    }
    for (uint32_t byte = 1; byte < 256; ++byte) {
      const uint32_t child = base ^ byte;
      if ((trie[child] & 0x800000FF) != byte || keys[child] >= count) continue;
      keys[child] = count;
      open.push_back(child);
    }
  }
}

/// Throws InputError for every model that the library could not use safely. Returns whether
/// encoding adds a space before the text, which the library's interface does not tell.
bool check_sentencepiece(std::string_view model, const std::string& name) {
  bool adds_space = true;
  std::set<std::string_view> symbols;
  try {
    for_each_field(model, [&](const Field& part) {
      if (part.number == 1) symbols.insert(check_piece(part.bytes));
      if (part.number != 3 && part.number != 5) return;
      for_each_field(part.bytes, [&](const Field& field) {
        if (field.number == 2) check_table(field.bytes);
        if (field.number == 3 && part.number == 3) adds_space = field.value != 0;
      });
    });
    symbols.erase("");
    check_symbols(symbols);
  } catch (const std::runtime_error& error) {
    fail_input("{}: is not a SentencePiece model, or is damaged ({}); copy it again", name,
               error.what());
  }
  return adds_space;
}

/// The end of the part to encode at once from `begin` on: the end of the line, or in a long line a
/// space, or without a space the end of a character.
size_t part_end(std::string_view text, size_t begin) {
  constexpr size_t kMaxPart = 1 << 14;
  size_t end = std::min(text.find('\n', begin), text.size());
  if (end - begin <= kMaxPart) return end;
  end = text.rfind(' ', begin + kMaxPart);
  if (end != std::string_view::npos && end > begin) return end;
  end = begin + kMaxPart;
  while (is_continuation(text[end])) --end;
  return end;
}

/// Why a call of the library failed; "" if it did not.
std::string failure_of(const std::function<sp::util::Status()>& call) {
  try {
    const sp::util::Status status = call();
    if (status.ok()) return "";
    // "Internal: ...cc(582) [(a) == (b)] The reason", or without a reason.
    const std::string text = status.ToString();
    const size_t bracket = std::min(text.find("] "), text.size());
    return printable(bracket + 2 < text.size() ? text.substr(bracket + 2) : text);
  } catch (const std::exception& error) {  // e.g. from the library's trie
    return printable(error.what());
  }
}

class SentencePieceTokenizer : public Tokenizer {
 public:
  SentencePieceTokenizer(std::string bytes, const std::string& name)
      : bytes_(std::move(bytes)), name_(name) {
    sp::logging::SetMinLogLevel(3);  // fatal errors only
    adds_space_ = check_sentencepiece(bytes_, name);
    load(bytes_, processor_);
    model_pieces_ = processor_.GetPieceSize();
    special_.unknown = processor_.unk_id();
    for (const SpecialNames& special : kSpecials) {
      int64_t& id = special_.*special.id;
      for (const char* piece : special.names) {
        // Only a control symbol is never found in text.
        const int found = processor_.PieceToId(piece);
        if (id < 0 && processor_.IsControl(found)) id = found;
      }
      if (id >= 0) continue;
      id = vocab();
      added_.emplace_back(special.names[0]);
    }
  }

  const char* kind() const override { return "sentencepiece"; }
  int64_t vocab() const override { return model_pieces_ + std::ssize(added_); }
  SpecialIds special() const override { return special_; }

  size_t encode_part(std::string_view text, size_t begin, std::vector<Piece>& out) const override {
    const size_t end = part_end(text, begin);
    append_pieces(processor_, text.substr(begin, end - begin), begin, out);
    return end < text.size() && (text[end] == '\n' || text[end] == ' ') ? end + 1 : end;
  }

  std::vector<Piece> encode_continued(std::string_view text) const override {
    check_text(text, "the text");
    const size_t end = text.empty() ? 0 : part_end(text, 0);
    if (!adds_space_ || end == 0 || text[0] == ' ') return encode(text);
    // In a protocol buffer the last value of a field counts. This is normalizer {3: false}.
    sp::SentencePieceProcessor processor;
    load(bytes_ + std::string("\x1A\x02\x18\x00", 4), processor);
    std::vector<Piece> out;
    append_pieces(processor, text.substr(0, end), 0, out);
    for (size_t begin = end; begin < text.size();) begin = encode_part(text, begin, out);
    return out;
  }

  std::string decode(const std::vector<int64_t>& ids) const override {
    std::string text;
    for (const int64_t id : ids) {
      const int piece = static_cast<int>(id);
      if (id < 0 || id >= vocab() || id == special_.unknown) {
        text += "\uFFFD";
      } else if (id < model_pieces_ && processor_.IsByte(piece)) {  // "<0x41>"
        text += static_cast<char>(std::stoi(processor_.IdToPiece(piece).substr(3), nullptr, 16));
      } else if (id < model_pieces_ && !processor_.IsControl(piece)) {
        text += replace_all(processor_.IdToPiece(piece), kSpace, " ");
      }
    }
    if (adds_space_ && text.starts_with(' ')) text.erase(0, 1);
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
    const std::string reason = failure_of([&] { return processor.LoadFromSerializedProto(model); });
    if (reason.empty()) return;
    fail_input("{}: SentencePiece cannot load it ({}); copy it again", name_, reason);
  }

  /// Appends the pieces of `part`, which begins at byte `base` of the text.
  void append_pieces(const sp::SentencePieceProcessor& processor, std::string_view part,
                     size_t base, std::vector<Piece>& out) const {
    sp::ImmutableSentencePieceText result;
    const std::string reason =
        failure_of([&] { return processor.Encode(part, result.mutable_proto()); });
    refuse_if(!reason.empty(), "{}: SentencePiece cannot encode the text from byte {} on ({})",
              name_, base, reason);
    const int64_t shift = static_cast<int64_t>(base);
    for (const auto& piece : result.pieces()) {
      out.push_back({piece.id(), shift + piece.begin(), shift + piece.end()});
    }
  }

  std::string bytes_, name_;
  bool adds_space_ = true;  // before a text
  sp::SentencePieceProcessor processor_;
  int64_t model_pieces_ = 0;
  std::vector<std::string> added_;
  SpecialIds special_;
};

class Sentences : public sp::SentenceIterator {
 public:
  explicit Sentences(const std::vector<std::string>& lines) : lines_(lines) {}
  bool done() const override { return at_ == lines_.size(); }
  void Next() override { ++at_; }  // NOLINT(readability-identifier-naming)
  const std::string& value() const override { return lines_[at_]; }
  sp::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& lines_;
  size_t at_ = 0;
};

/// Whether SentencePiece can learn from a line. It ends the process if its cleaning leaves no line,
/// so each line needs a visible character. It drops lines with the block that it reserves, U+2585.
bool is_useful(std::string_view line) {
  if (line.find("\u2585") != std::string_view::npos) return false;
  for (int64_t at = 0; at < std::ssize(line);) {
    const Utf8Char character = utf8_at(line, at);
    at += character.size;
    // Not the library's space, U+2581, and not the replacement of what is no character.
    if (character.code == U'\u2581' || character.code == U'\uFFFD') continue;
    const int category = utf8proc_category(static_cast<utf8proc_int32_t>(character.code));
    const bool mark = category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
    const bool visible = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_SO;
    if (visible && !mark) return true;
  }
  return false;
}

/// Calls `use` with each useful line of the texts, long lines in parts.
void for_each_line(const std::vector<std::string>& files,
                   const std::function<void(std::string_view line)>& use) {
  constexpr size_t kMaxLine = 4000;  // bytes; the trainer leaves out longer ones
  for (const std::string& path : files) {
    read_text_parts(path, [&](std::string_view part) {
      while (!part.empty()) {
        size_t length = std::min(part.find('\n'), part.size() - 1) + 1;
        if (length > kMaxLine) length = best_cut(part.substr(0, kMaxLine));
        const std::string_view line = part.substr(0, length);
        part.remove_prefix(length);
        if (is_useful(line)) use(line.substr(0, line.find_last_not_of(" \t\r\n") + 1));
      }
    });
  }
}

/// The lines to train on. From a text that is too large, Philox draws a sample.
std::vector<std::string> sample_lines(const std::vector<std::string>& files) {
  constexpr double kMaxBytes = 32 << 20;
  double bytes = 0;
  for_each_line(files, [&](std::string_view line) { bytes += static_cast<double>(line.size()); });
  const double share = kMaxBytes / std::max(bytes, 1.0);
  std::vector<std::string> lines;
  uint64_t number = 0;
  for_each_line(files, [&](std::string_view line) {
    const double draw = Random(0, Purpose::kSample, 0, number++).uniform();
    if (draw < share) lines.emplace_back(line);
  });
  return lines;
}

}  // namespace

std::unique_ptr<Tokenizer> read_sentencepiece(std::string bytes, const std::string& name) {
  return std::make_unique<SentencePieceTokenizer>(std::move(bytes), name);
}

std::string train_sentencepiece(const std::vector<std::string>& files,
                                const TokenizerTraining& training) {
  const std::vector<std::string> lines = sample_lines(files);
  if (lines.empty()) fail_input("{}: has no text; use another file", files.front());
  const std::string options = fmt::format(
      "--model_type={} --vocab_size={} --character_coverage=0.9995 --byte_fallback=true "
      "--num_threads=1 --shuffle_input_sentence=false --input_sentence_size=0 "
      "--normalization_rule_name=nmt_nfkc --pad_id=0 --unk_id=1 --bos_id=-1 --eos_id=-1 "
      "--control_symbols=[CLS],[SEP],[MASK]",
      training.model_type, training.vocab);
  sp::logging::SetMinLogLevel(3);
  Sentences sentences(lines);
  std::string model;
  const std::string reason =
      failure_of([&] { return sp::SentencePieceTrainer::Train(options, &sentences, &model); });
  if (reason.empty()) return model;
  fail_input("--vocab-size {}: SentencePiece cannot train on {}: {}", training.vocab, files.front(),
             reason);
}

}  // namespace gmlp
