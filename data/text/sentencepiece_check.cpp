// Numbers of fields as in sentencepiece_model.proto:
//   model       1 pieces (repeated), 2 trainer, 3 normalizer, 4 self test, 5 denormalizer
//   piece       1 text, 2 score, 3 type
//   trainer     3 model type
//   normalizer  2 table of characters, 3 dummy prefix
#include "data/text/sentencepiece_check.h"

#include <cmath>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

[[noreturn]] void fail_damaged(const std::string& name, const std::string& what) {
  fail_input("{}: is no SentencePiece model, or a damaged one ({}); copy it again", name, what);
}

/// The fields of a message, in the order of the file.
class Message {
 public:
  enum Type : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  Message(std::string_view all, const std::string& name) : rest_(all), name_(name) {}

  /// Reads the next field; false at the end.
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3) fail_damaged(name_, "a field of number 0");
    field = static_cast<uint32_t>(tag >> 3);
    type = static_cast<Type>(tag & 7);
    switch (type) {
      case kVarint:
        value = varint();
        break;
      case kFixed64:
        bytes = take(8);
        break;
      case kBytes:
        bytes = take(varint());
        break;
      case kFixed32:
        bytes = take(4);
        break;
      default:
        fail_damaged(name_, "a field of an unknown type");
    }
    return true;
  }
  bool is(uint32_t wanted_field, Type wanted_type) const {
    return field == wanted_field && type == wanted_type;
  }

  uint32_t field = 0;
  Type type = kVarint;
  uint64_t value = 0;      // of a varint
  std::string_view bytes;  // of the others

 private:
  std::string_view take(uint64_t size) {
    if (size > rest_.size()) fail_damaged(name_, "it ends inside of a field");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  uint64_t varint() {
    uint64_t result = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint64_t byte = static_cast<unsigned char>(take(1)[0]);
      result |= (byte & 0x7F) << shift;
      if (byte < 0x80) return result;
    }
    fail_damaged(name_, "a number of more than 64 bits");
  }

  std::string_view rest_;
  const std::string& name_;
};

uint32_t word_at(std::string_view bytes, size_t index) {
  uint32_t word = 0;
  std::memcpy(&word, bytes.data() + 4 * index, 4);  // at any address
  return word;
}

/// The table of characters: 4 bytes, the size of a double array (the format of Darts-clone), the
/// array, then the replacements, each ended by a NUL. From the unit of a node, `base` is its place
/// XOR its offset; its child for the byte c is at base XOR c, and if it ends a key, the key's value
/// at base. The library looks for children of any byte without a check, so each node that can be
/// reached needs all 256 places inside of the array.
void check_characters(std::string_view table, const std::string& name) {
  if (table.empty()) return;  // nothing is normalized
  const uint64_t size = table.size() >= 4 ? word_at(table, 0) : 0;
  if (size == 0 || size % 1024 != 0 || size >= table.size() - 4) {
    fail_damaged(name, "its table of characters has an impossible size");
  }
  const std::string_view array = table.substr(4, size);
  const std::string_view replacements = table.substr(4 + size);
  if (replacements.back() != '\0') {
    fail_damaged(name, "its last replacement of a character has no end");
  }
  if (valid_utf8_prefix(replacements) != static_cast<int64_t>(replacements.size())) {
    fail_damaged(name, "its replacements of characters are not UTF-8");
  }
  const size_t units = array.size() / 4;
  std::vector<bool> seen(units, false);
  std::vector<uint32_t> open = {0};
  seen[0] = true;
  while (!open.empty()) {
    const uint32_t place = open.back();
    open.pop_back();
    const uint32_t unit = word_at(array, place);
    const uint32_t offset = unit >> 10 << ((unit & 0x200) >> 6);
    const uint32_t base = place ^ offset;
    // Blocks of 256 units are whole: one place inside means all.
    if (base >= units) fail_damaged(name, "its table of characters points outside of itself");
    if ((unit & 0x100) != 0) {
      const uint32_t value = word_at(array, base) & 0x7FFFFFFF;
      if (value >= replacements.size() ||
          (static_cast<unsigned char>(replacements[value]) & 0xC0) == 0x80) {
        fail_damaged(name, "its table of characters points between replacements");
      }
    }
    for (uint32_t byte = 1; byte < 256; ++byte) {
      const uint32_t child = base ^ byte;
      if ((word_at(array, child) & 0x800000FF) != byte || seen[child]) continue;
      seen[child] = true;
      open.push_back(child);
    }
  }
}

bool check_normalizer(std::string_view bytes, const std::string& name, bool dummy_prefix) {
  Message message(bytes, name);
  while (message.next()) {
    if (message.is(2, Message::kBytes)) check_characters(message.bytes, name);
    if (message.is(3, Message::kVarint)) dummy_prefix = message.value != 0;
  }
  return dummy_prefix;
}

void check_trainer(std::string_view bytes, const std::string& name) {
  Message message(bytes, name);
  while (message.next()) {
    // Unigram, BPE, word, character.
    if (message.is(3, Message::kVarint) && (message.value < 1 || message.value > 4)) {
      fail_damaged(name, fmt::format("a model of the unknown type {}", message.value));
    }
  }
}

/// Returns the piece's type.
uint64_t check_piece(std::string_view bytes, const std::string& name,
                     std::unordered_set<std::string_view>& known) {
  constexpr uint64_t kNormal = 1;
  uint64_t type = kNormal;
  std::string_view text;
  Message message(bytes, name);
  while (message.next()) {
    if (message.is(1, Message::kBytes)) text = message.bytes;
    if (message.is(3, Message::kVarint)) type = message.value;
    if (message.is(2, Message::kFixed32)) {
      float score = 0;
      std::memcpy(&score, message.bytes.data(), 4);
      if (!std::isfinite(score)) fail_damaged(name, "a score that is no number");
    }
  }
  const bool valid = valid_utf8_prefix(text) == static_cast<int64_t>(text.size());
  if (text.empty() || !valid || text.find('\0') != std::string_view::npos) {
    fail_damaged(name, fmt::format("piece {} is no text", known.size()));
  }
  if (type < 1 || type > 6) {
    fail_damaged(name, fmt::format("piece {} has the type {}", known.size(), type));
  }
  if (!known.insert(text).second) {
    fail_damaged(name, fmt::format("the piece {} stands there twice", printable(text)));
  }
  return type;
}

}  // namespace

SentencePieceFacts check_sentencepiece(std::string_view model, const std::string& name) {
  constexpr uint64_t kUnknownPiece = 2;
  SentencePieceFacts facts;
  std::unordered_set<std::string_view> known;
  int64_t unknowns = 0;
  Message message(model, name);
  while (message.next()) {
    if (message.is(1, Message::kBytes)) {
      if (check_piece(message.bytes, name, known) == kUnknownPiece) ++unknowns;
    } else if (message.is(2, Message::kBytes)) {
      check_trainer(message.bytes, name);
    } else if (message.is(3, Message::kBytes)) {
      facts.dummy_prefix = check_normalizer(message.bytes, name, facts.dummy_prefix);
    } else if (message.is(5, Message::kBytes)) {
      check_normalizer(message.bytes, name, true);
    } else if (message.field <= 5 && message.field != 4) {
      fail_damaged(name, "a part of another type than it has");
    }
  }
  facts.pieces = static_cast<int64_t>(known.size());
  if (unknowns != 1) fail_damaged(name, fmt::format("{} pieces for unknown text", unknowns));
  return facts;
}

}  // namespace gmlp
