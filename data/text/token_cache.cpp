#include "data/text/token_cache.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/io/file.h"
#include "data/text/corpus.h"

namespace gmlp {
namespace {

constexpr std::array<char, 8> kMagic = {'G', 'M', 'L', 'P', 'T', 'O', 'K', 'S'};
constexpr uint32_t kVersion = 1;  // of this file's layout

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kVersion;
  uint32_t id_bytes = 2;
  uint64_t text = 0;
  uint64_t tokenizer = 0;
  int64_t vocab = 0;
  int64_t count = 0;
  int64_t text_bytes = 0;
  uint32_t payload_sum = 0;
  uint32_t header_sum = 0;  // of all before it
};
static_assert(sizeof(Header) == 64 && offsetof(Header, header_sum) == 60, "no padding");

int64_t blocks_of(int64_t count) {
  return count / kTokenBlock + (count % kTokenBlock != 0 ? 1 : 0);
}

template <typename T>
T load(const char* bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

/// Fills `storage` from a file's bytes. Returns what is wrong with them, or nothing.
std::string parse(std::string_view bytes, const TokenKey& key, TokenStorage& storage) {
  Header header;
  if (bytes.size() < sizeof(header)) return "it is truncated";
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != kMagic || header.version != kVersion) return "it is of another version";
  if (header.header_sum != crc32_of(&header, offsetof(Header, header_sum))) {
    return "its header is damaged";
  }
  if (header.text != key.text || header.tokenizer != key.tokenizer || header.vocab != key.vocab) {
    return "it is of another text or tokenizer";
  }
  const std::string_view payload = bytes.substr(sizeof(header));
  const int64_t size = static_cast<int64_t>(payload.size());
  const int64_t width = header.id_bytes;
  // The first comparison keeps the products of the second in range.
  const bool possible = (width == 2 || width == 4) && header.count > 0 && header.count <= size;
  if (!possible || size != 8 * blocks_of(header.count) + width * header.count) {
    return "it has another size than its header says";
  }
  if (crc32_of(payload.data(), size) != header.payload_sum) return "its ids are damaged";
  storage.count = header.count;
  storage.text_bytes = header.text_bytes;
  storage.wide = width == 4;
  storage.positions = payload.data();
  storage.ids = payload.data() + 8 * blocks_of(header.count);
  // An honest checksum over wrong ids is a bug or an attack; either way a model must not see them.
  for (int64_t i = 0; i < storage.count; ++i) {
    if (storage.id(i) >= header.vocab) return "it holds ids beyond the vocabulary";
  }
  // Interpolation multiplies a distance by up to a block.
  constexpr int64_t kLongestText = INT64_MAX / kTokenBlock;
  int64_t last = 0;
  for (int64_t block = 0; block < blocks_of(storage.count); ++block) {
    const int64_t position = load<int64_t>(storage.positions, block);
    if (position < last || position > storage.text_bytes) return "its positions do not rise";
    last = position;
  }
  if (storage.text_bytes < 0 || storage.text_bytes > kLongestText) return "its text is too long";
  return "";
}

}  // namespace

TokenStorage::~TokenStorage() {
  if (mapped != nullptr) ::munmap(mapped, mapped_size);
}

int64_t TokenStorage::id(int64_t index) const {
  return wide ? load<uint32_t>(ids, index) : load<uint16_t>(ids, index);
}

int64_t TokenStorage::text_position(int64_t index) const {
  if (index >= count) return text_bytes;
  const int64_t block = index / kTokenBlock;
  const int64_t begin = load<int64_t>(positions, block);
  const int64_t inside = index % kTokenBlock;
  if (inside == 0) return begin;
  const int64_t length = std::min(kTokenBlock, count - block * kTokenBlock);
  const int64_t end =
      block + 1 < blocks_of(count) ? load<int64_t>(positions, block + 1) : text_bytes;
  return begin + (end - begin) * inside / length;
}

void TokenWriter::add(int64_t id, int64_t position) {
  if (count_ % kTokenBlock == 0) positions_.push_back(position);
  const uint32_t value = static_cast<uint32_t>(id);  // little-endian: see core/io/decode.h
  ids_.append(reinterpret_cast<const char*>(&value), wide_ ? 4 : 2);
  ++count_;
}

std::string TokenWriter::finish(const TokenKey& key, int64_t text_bytes) const {
  Header header;
  header.id_bytes = wide_ ? 4 : 2;
  header.text = key.text;
  header.tokenizer = key.tokenizer;
  header.vocab = key.vocab;
  header.count = count_;
  header.text_bytes = text_bytes;
  std::string bytes;
  bytes.reserve(sizeof(header) + 8 * positions_.size() + ids_.size());
  bytes.resize(sizeof(header));
  bytes.append(reinterpret_cast<const char*>(positions_.data()), 8 * positions_.size());
  bytes.append(ids_);
  header.payload_sum =
      crc32_of(bytes.data() + sizeof(header), static_cast<int64_t>(bytes.size() - sizeof(header)));
  header.header_sum = crc32_of(&header, offsetof(Header, header_sum));
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

std::shared_ptr<const TokenStorage> hold_tokens(std::string bytes, const TokenKey& key) {
  std::shared_ptr<TokenStorage> storage = std::make_shared<TokenStorage>();
  storage->owned = std::move(bytes);
  require(parse(storage->owned, key, *storage).empty(), "ids in memory are not as they were made");
  return storage;
}

std::shared_ptr<const TokenStorage> map_tokens(const std::string& path, const TokenKey& key,
                                               std::string& reason) {
  reason = "it cannot be read";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    if (errno == ENOENT) reason = "it is not there";
    return nullptr;
  }
  struct stat status {};
  std::shared_ptr<TokenStorage> storage = std::make_shared<TokenStorage>();
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
    const size_t size = static_cast<size_t>(status.st_size);
    // Others replace the file by a rename and never write into it, so the mapping stays whole.
    void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped != MAP_FAILED) {
      storage->mapped = mapped;
      storage->mapped_size = size;
    }
  }
  ::close(file);
  if (storage->mapped == nullptr) return nullptr;
  const std::string_view bytes(static_cast<const char*>(storage->mapped), storage->mapped_size);
  reason = parse(bytes, key, *storage);
  if (!reason.empty()) return nullptr;
  return storage;
}

}  // namespace gmlp
