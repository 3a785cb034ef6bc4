// Which format a file is, and the check of the simplest one, BMP:
//   14 bytes  "BM", file size, 4 reserved, offset of the pixels
//   40+ bytes header: its own size, width, height (negative: top row first), planes, bits,
//   compression palette   4 bytes an entry, for 1, 4 and 8 bits pixels    rows padded to 4 bytes
#include "data/vision/image_check.h"

#include <bit>
#include <cstring>

#include "data/vision/byte_reader.h"

namespace gmlp {
namespace {

constexpr int64_t kBmpFileHeader = 14;

struct BmpHeader {
  int64_t offset = 0;
  int64_t header_size = 0;
  int64_t width = 0;
  int64_t height = 0;  // positive here; the sign only says which row comes first
  int64_t bits = 0;
  uint32_t compression = 0;
};

/// Both headers up to the compression; the sizes of resolution and palette after it are not needed.
BmpHeader read_bmp_header(ByteReader& reader) {
  const std::string& path = reader.path();
  BmpHeader header;
  reader.skip(10, "the BMP header");
  header.offset = reader.u32_le("the BMP header");
  header.header_size = reader.u32_le("the BMP header");
  // 12 is OS/2's, whose palette size stb_image miscounts.
  if (header.header_size != 40 && header.header_size != 108 && header.header_size != 124) {
    bad_image(path,
              fmt::format("BMP header of {} bytes (40, 108 and 124 are read)", header.header_size));
  }
  reader.need(header.header_size - 4, "the BMP header");
  header.width = static_cast<int32_t>(reader.u32_le("the BMP width"));
  const int64_t height = static_cast<int32_t>(reader.u32_le("the BMP height"));
  header.height = height < 0 ? -height : height;
  check_dimensions(header.height, header.width, path);
  if (reader.u16_le("the BMP planes") != 1) bad_image(path, "BMP with other than one plane");
  header.bits = reader.u16_le("the BMP depth");
  header.compression = reader.u32_le("the BMP compression");
  return header;
}

/// Channel masks must be one run of at most 8 bits each: others shift by wrong amounts in
/// stb_image.
void check_bmp_masks(ByteReader& reader) {
  reader.seek(kBmpFileHeader + 40);
  for (int channel = 0; channel < 3; ++channel) {
    const uint32_t mask = reader.u32_le("the BMP masks");
    const uint32_t run = mask == 0 ? 0 : mask >> std::countr_zero(mask);
    if (run == 0 || run > 255 || (run & (run + 1)) != 0) {
      bad_image(reader.path(), fmt::format("BMP channel mask {:#x}", mask));
    }
  }
}

/// A pixel's palette index must lie in the palette; stb_image would read what nobody wrote.
void check_bmp_indices(ByteReader& reader, const BmpHeader& header, int64_t stride) {
  const int64_t entries = (header.offset - kBmpFileHeader - header.header_size) / 4;
  if (entries < 1 || entries > 256) {
    bad_image(reader.path(), fmt::format("BMP palette of {} entries", entries));
  }
  reader.seek(header.offset);
  const uint8_t* pixels = reader.here();
  for (int64_t y = 0; y < header.height; ++y) {
    for (int64_t x = 0; x < header.width; ++x) {
      const int64_t bit = x * header.bits;
      const int64_t shift = 8 - header.bits - bit % 8;
      const int64_t index = (pixels[y * stride + bit / 8] >> shift) & ((1 << header.bits) - 1);
      if (index >= entries) {
        bad_image(reader.path(),
                  fmt::format("BMP pixel ({}, {}) is colour {} of {}", x, y, index, entries));
      }
    }
  }
}

}  // namespace

void check_dimensions(int64_t height, int64_t width, const std::string& path) {
  if (height < 1 || width < 1) bad_image(path, fmt::format("{} x {} pixels", width, height));
  if (height > kMaxImageSide || width > kMaxImageSide || height * width > kMaxImagePixels) {
    bad_image(path, fmt::format("{} x {} pixels, more than {} a side or {} in all", width, height,
                                kMaxImageSide, kMaxImagePixels));
  }
}

ImageInfo check_bmp(const uint8_t* data, int64_t size, const std::string& path) {
  ByteReader reader(data, size, path);
  const BmpHeader header = read_bmp_header(reader);
  // Runs of equal pixels (RLE) are not read by stb_image either.
  const bool palette = header.bits == 1 || header.bits == 4 || header.bits == 8;
  const bool masks = header.bits == 16 || header.bits == 32;
  if (!palette && !masks && header.bits != 24) {
    bad_image(path, fmt::format("BMP of {} bits a pixel", header.bits));
  }
  constexpr uint32_t kBitFields = 3;
  if (header.compression != 0 && !(header.compression == kBitFields && masks)) {
    bad_image(path, fmt::format("compressed BMP (method {})", header.compression));
  }
  int64_t first_offset = kBmpFileHeader + header.header_size;
  if (header.compression == kBitFields) {
    check_bmp_masks(reader);
    if (header.header_size == 40) first_offset += 12;  // the masks follow the header
  }
  if (header.offset < first_offset || (!palette && header.offset != first_offset)) {
    bad_image(path, fmt::format("BMP pixels at byte {}, not {}", header.offset, first_offset));
  }
  // Below 2^14 * 32 bits a row and 2^26 pixels in all: no overflow.
  const int64_t stride = (header.width * header.bits + 31) / 32 * 4;
  if (header.offset > size || stride * header.height > size - header.offset) {
    bad_image(path, fmt::format("BMP of {} bytes, its header announces {}", size,
                                header.offset + stride * header.height));
  }
  if (palette) check_bmp_indices(reader, header, stride);
  return {ImageFormat::kBmp, header.height, header.width, 3};
}

ImageInfo check_image(const uint8_t* data, int64_t size, const std::string& path) {
  if (size == 0) bad_image(path, "the file is empty");
  if (size >= 4 && std::memcmp(data, "\x89PNG", 4) == 0) return check_png(data, size, path);
  if (size >= 2 && data[0] == 0xFF && data[1] == 0xD8) return check_jpeg(data, size, path);
  if (size >= 2 && data[0] == 'B' && data[1] == 'M') return check_bmp(data, size, path);
  bad_image(path, "not a PNG, JPEG or BMP");
}

}  // namespace gmlp
