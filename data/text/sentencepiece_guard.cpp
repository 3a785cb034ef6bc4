// The check of a foreign SentencePiece model. Field numbers, from sentencepiece_model.proto:
//   model       1 piece (repeated), 3 normalizer, 5 denormalizer
//   piece       1 text, 3 type
//   normalizer  2 normalization table, 3 space before the text
#include <cstring>
#include <functional>
#include <set>
#include <stdexcept>
#include <vector>

#include "core/error.h"
#include "data/text/tokenizer.h"
#include "data/text/utf8.h"

namespace gmlp {
namespace {

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

uint32_t unit_at(std::string_view array, size_t index) {
  uint32_t unit = 0;
  std::memcpy(&unit, array.data() + 4 * index, 4);  // at any address
  return unit;
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
  const uint64_t size = table.size() >= 4 ? unit_at(table, 0) : 0;
  // Whole blocks of 256 units: if one child's index is inside the array, then all 256 are.
  if (size == 0 || size % 1024 != 0 || size >= table.size() - 4) {
    fail("its normalization table has an impossible size");
  }
  const std::string_view trie = table.substr(4, size);
  const std::string_view replacements = table.substr(4 + size);
  if (replacements.back() != '\0' || !is_utf8(replacements)) {
    fail("its replacements of characters are not UTF-8");
  }
  std::vector<int> keys(size / 4, -1);  // at most this many end on the way to a node
  std::vector<uint32_t> open = {0};
  keys[0] = 0;
  while (!open.empty()) {
    const uint32_t index = open.back();
    open.pop_back();
    const uint32_t unit = unit_at(trie, index);
    const uint32_t offset = unit >> 10 << ((unit & 0x200) >> 6);
    const uint32_t base = index ^ offset;
    if (base >= keys.size()) fail("its normalization table points outside of itself");
    const bool ends_key = (unit & 0x100) != 0;
    const int count = keys[index] + (ends_key ? 1 : 0);
    const uint32_t value = ends_key ? unit_at(trie, base) & 0x7FFFFFFF : 0;
    if (count > 32 || value >= replacements.size() || is_continuation(replacements[value])) {
      fail("its normalization table points between replacements");
    }
    for (uint32_t byte = 1; byte < 256; ++byte) {
      const uint32_t child = base ^ byte;
      if ((unit_at(trie, child) & 0x800000FF) != byte || keys[child] >= count) continue;
      keys[child] = count;
      open.push_back(child);
    }
  }
}

}  // namespace

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

}  // namespace gmlp
