// A corpus' ids on disk. Keys and checksums are made to fit, or nothing behind them would be tried.
#include <cstring>

#include "core/io/file.h"
#include "data/text/token_cache.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // token_cache.cpp's header: keys at 16, the payload's checksum at 56, the header's at 60.
  std::string bytes(gmlp::test::view_of(data, size));
  gmlp::TokenKey key;
  if (size >= 64) {
    const uint32_t payload = gmlp::crc32_of(bytes.data() + 64, static_cast<int64_t>(size) - 64);
    std::memcpy(bytes.data() + 56, &payload, 4);
    const uint32_t header = gmlp::crc32_of(bytes.data(), 60);
    std::memcpy(bytes.data() + 60, &header, 4);
    std::memcpy(&key.text, bytes.data() + 16, 8);
    std::memcpy(&key.tokenizer, bytes.data() + 24, 8);
    std::memcpy(&key.vocab, bytes.data() + 32, 8);
  }
  std::string reason;
  const std::shared_ptr<const gmlp::TokenStorage> tokens =
      gmlp::map_tokens(gmlp::test::file_of(bytes), key, reason);
  if (tokens == nullptr) return 0;
  for (int64_t i = 0; i < tokens->count; ++i) {
    gmlp::test::check(tokens->id(i) >= 0 && tokens->id(i) < key.vocab);
    tokens->text_position(i);
  }
  return 0;
}
