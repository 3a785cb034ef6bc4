#pragma once
// Small files for the data tests: writers of tiny images, independent of the readers under test.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include "core/error.h"
#include "tests/support/temporary_folder.h"

namespace gmlp::test {

using Bytes = std::vector<uint8_t>;

inline Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

/// The message of the InputError that `action` throws; empty when it throws none.
inline std::string input_error(const std::function<void()>& action) {
  return gmlp::test::message_of<gmlp::InputError>(action);
}

inline void append_be32(Bytes& bytes, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<uint8_t>(value >> shift));
}
inline void append_le32(Bytes& bytes, uint32_t value) {
  for (int shift = 0; shift <= 24; shift += 8)
    bytes.push_back(static_cast<uint8_t>(value >> shift));
}
inline void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

inline Bytes gzip(const Bytes& bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  Bytes out(bytes.size() + 1000);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline Bytes png_chunk(const std::string& type, const Bytes& data) {
  Bytes chunk;
  append_be32(chunk, static_cast<uint32_t>(data.size()));
  Bytes typed(type.begin(), type.end());
  append(typed, data);
  append(chunk, typed);
  append_be32(chunk,
              static_cast<uint32_t>(crc32(0, typed.data(), static_cast<uInt>(typed.size()))));
  return chunk;
}

inline Bytes png_header(uint32_t width, uint32_t height, uint8_t depth, uint8_t color,
                        uint8_t interlace = 0) {
  Bytes data;
  append_be32(data, width);
  append_be32(data, height);
  append(data, {depth, color, 0, 0, interlace});
  return png_chunk("IHDR", data);
}

inline Bytes png_data(const Bytes& rows) {
  Bytes packed(rows.size() + 100);
  uLongf size = packed.size();
  compress(packed.data(), &size, rows.data(), rows.size());
  packed.resize(size);
  return png_chunk("IDAT", packed);
}

inline Bytes png_file(const std::vector<Bytes>& chunks) {
  Bytes file{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  for (const Bytes& chunk : chunks) append(file, chunk);
  append(file, png_chunk("IEND", {}));
  return file;
}

/// A picture of one color.
inline Bytes plain_png(uint32_t side, uint8_t red, uint8_t green, uint8_t blue) {
  Bytes rows;
  for (uint32_t y = 0; y < side; ++y) {
    rows.push_back(0);
    for (uint32_t x = 0; x < side; ++x) append(rows, {red, green, blue});
  }
  return png_file({png_header(side, side, 8, 2), png_data(rows)});
}

/// The parts of an 8 x 8 gray baseline JPEG: DC code '0' is a difference of 0, '10' one of 7 bits;
/// AC code '0' ends the block.
struct TinyJpeg {
  Bytes start{0xFF, 0xD8};
  Bytes quantization{0xFF, 0xDB, 0, 67, 0};
  Bytes frame{0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0};
  Bytes dc{0xFF, 0xC4, 0, 21, 0x00, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
  Bytes ac{0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  Bytes scan{0xFF, 0xDA, 0, 8, 1, 1, 0x00, 0, 63, 0};
  Bytes data{0xB2, 0x1F};  // 10 1100100 0 padded by ones: DC 100, end of block
  Bytes end{0xFF, 0xD9};
  TinyJpeg() { quantization.resize(69, 8); }

  Bytes file() const {
    Bytes bytes = start;
    for (const Bytes& part : {quantization, frame, dc, ac, scan, data, end}) append(bytes, part);
    return bytes;
  }
};

/// A lossless WebP of 3 x 2 pixels, which its EXIF turns to the right. Written by Pillow.
inline Bytes tiny_webp() {
  return {0x52, 0x49, 0x46, 0x46, 0x7E, 0x00, 0x00, 0x00, 0x57, 0x45, 0x42, 0x50, 0x56, 0x50, 0x38,
          0x58, 0x0A, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x01, 0x00, 0x00,
          0x56, 0x50, 0x38, 0x4C, 0x3D, 0x00, 0x00, 0x00, 0x2F, 0x02, 0x40, 0x00, 0x00, 0x2F, 0xA0,
          0xA0, 0x8D, 0x14, 0xE6, 0x07, 0x4B, 0x35, 0x22, 0x31, 0x84, 0x0D, 0x32, 0x69, 0x9B, 0x52,
          0x71, 0xBB, 0xE6, 0x7B, 0xB2, 0xA6, 0xA8, 0x6D, 0x1B, 0xA8, 0xD7, 0xAB, 0x14, 0xCA, 0x62,
          0xFC, 0xB9, 0x6D, 0xFE, 0x03, 0xFC, 0x3F, 0xD8, 0x98, 0xCD, 0xB5, 0x36, 0x07, 0x02, 0x12,
          0x32, 0x25, 0x1F, 0x2C, 0x12, 0xD1, 0xFF, 0x98, 0x04, 0x00, 0x45, 0x58, 0x49, 0x46, 0x1A,
          0x00, 0x00, 0x00, 0x4D, 0x4D, 0x00, 0x2A, 0x00, 0x00, 0x00, 0x08, 0x00, 0x01, 0x01, 0x12,
          0x00, 0x03, 0x00, 0x00, 0x00, 0x01, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
}

}  // namespace gmlp::test
