#pragma once
// The file that keeps a text's ids, and its form in memory, which is the same:
//   header                          see token_cache.cpp
//   int64 position of each block    where in the text ids 0, 64, 128, ... begin
//   uint16 or uint32 id each        two bytes where the vocabulary allows

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// Which text by which tokenizer: checksums, whose meaning is the caller's.
struct TokenKey {
  uint64_t text = 0;
  uint64_t tokenizer = 0;
  int64_t vocab = 0;
};

struct TokenStorage {
  TokenStorage() = default;
  ~TokenStorage();
  TokenStorage(const TokenStorage&) = delete;
  TokenStorage& operator=(const TokenStorage&) = delete;

  int64_t id(int64_t index) const;
  /// Where in the text the id begins; between known positions by interpolation.
  int64_t text_position(int64_t index) const;

  int64_t count = 0;
  int64_t text_bytes = 0;
  bool wide = false;                // four bytes an id
  const char* positions = nullptr;  // in one of the two below
  const char* ids = nullptr;
  std::string owned;
  void* mapped = nullptr;
  size_t mapped_size = 0;
};

/// Collects ids, then makes the file's bytes of them.
class TokenWriter {
 public:
  explicit TokenWriter(int64_t vocab) : wide_(vocab > 65536) {}
  void add(int64_t id, int64_t position);
  int64_t count() const { return count_; }
  std::string finish(const TokenKey& key, int64_t text_bytes) const;

 private:
  bool wide_;
  int64_t count_ = 0;
  std::vector<int64_t> positions_;
  std::string ids_;
};

/// From bytes in memory, which finish() made.
std::shared_ptr<const TokenStorage> hold_tokens(std::string bytes, const TokenKey& key);

/// From a file, mapped. Null where there is none or it does not hold just that, whole and
/// unchanged; `reason` then says why.
std::shared_ptr<const TokenStorage> map_tokens(const std::string& path, const TokenKey& key,
                                               std::string& reason);

}  // namespace gmlp
