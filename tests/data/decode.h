#pragma once
// Decoding of images in memory, and a BMP file.

#include <string>

#include "data/vision/dataset.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

namespace gmlp::test {

inline Image decode(const Bytes& bytes) {
  return decode_image_bytes(bytes.data(), static_cast<int64_t>(bytes.size()), "x");
}

inline std::string reason(const Bytes& bytes) {
  return input_error([&] { decode(bytes); });
}

inline bool mentions(const Bytes& bytes, const std::string& words) {
  const std::string message = reason(bytes);
  INFO("expected: " << words << "\nmessage: " << message);
  const bool found = message.find(words) != std::string::npos;
  CHECK(found);
  return found;
}

inline Bytes bmp(uint32_t width, uint32_t height, uint16_t bits, const Bytes& palette,
                 const Bytes& pixels, uint32_t compression = 0) {
  Bytes file{'B', 'M'};
  append_le32(file, static_cast<uint32_t>(54 + palette.size() + pixels.size()));
  append_le32(file, 0);
  append_le32(file, static_cast<uint32_t>(54 + palette.size()));
  append_le32(file, 40);
  append_le32(file, width);
  append_le32(file, height);
  append(file, {1, 0, static_cast<uint8_t>(bits), 0});
  append_le32(file, compression);
  for (int i = 0; i < 5; ++i) append_le32(file, 0);
  append(file, palette);
  append(file, pixels);
  return file;
}

}  // namespace gmlp::test
