// BMP: stb_image, which trusts its input, so the header is checked first. Kinds of which it
// misreads some file, or rounds colors otherwise than Pillow, are refused: 16 bits, run lengths,
// OS/2.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "data/vision/image_formats.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 16)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace gmlp {
namespace {

/// As stored, little-endian. The size in bytes and the masks follow in files of 40-byte headers,
/// too, or are part of the longer ones.
struct [[gnu::packed]] BmpHeader {
  char magic[2];
  uint32_t file_size, reserved, offset, header_size;
  int32_t width, height;  // the height is negative if the top row comes first
  uint16_t planes, bits;
  uint32_t compression, image_size, dots_per_meter[2], colors, important_colors;
  uint32_t masks[3];
};

/// Rows are padded to 4 bytes, and palettes may be shorter than their indices allow.
void check_bmp(const EncodedImage& file) {
  constexpr size_t kMinHeader = offsetof(BmpHeader, masks);
  BmpHeader bmp{};
  if (file.size < int64_t{kMinHeader}) file.refuse("the file ends inside the BMP header");
  std::memcpy(&bmp, file.data, std::min(sizeof(bmp), static_cast<size_t>(file.size)));
  const uint32_t size = bmp.header_size, code = bmp.compression;
  const int64_t width = bmp.width, height = std::abs(int64_t{bmp.height}), bits = bmp.bits;
  const bool palette = bits == 1 || bits == 4 || bits == 8;
  const bool masks = code == 3 && bits == 32 && bmp.masks[0] == 0xFF0000 &&
                     bmp.masks[1] == 0xFF00 && bmp.masks[2] == 0xFF;
  refuse_if(
      (size != 40 && size != 108 && size != 124) || bmp.planes != 1 ||
          (!palette && bits != 24 && bits != 32) || (code != 0 && !masks),
      "{}: a BMP of a kind that is not read (header of {} bytes, {} bits per pixel, compression "
      "{}); save it as PNG or as a BMP of 24 bits",
      file.path, size, bits, code);
  const int64_t first =
      14 + size + (code == 3 && size == 40 ? 12 : 0);  // the palette or the pixels
  const int64_t stored_colors = (int64_t{bmp.offset} - first) / 4;
  const int64_t colors =
      bmp.colors > 0 ? std::min<int64_t>(bmp.colors, stored_colors) : stored_colors;
  if (bmp.offset < first || (!palette && bmp.offset > first) || (palette && stored_colors > 256)) {
    file.refuse("BMP pixels at byte {}, after a header of {} bytes", uint32_t{bmp.offset}, first);
  }
  file.check_size(height, width, 0, 0);  // before products of them, which could overflow
  const int64_t stride = (width * bits + 31) / 32 * 4;
  file.check_size(height, width, bmp.offset + stride * height, 6 * height * width);
  for (int64_t i = 0; palette && i < height * width; ++i) {
    const int64_t bit = i % width * bits;
    const int byte = file.data[bmp.offset + i / width * stride + bit / 8];
    const int64_t index = byte >> (8 - bits - bit % 8) & ((1 << bits) - 1);
    if (index >= colors) file.refuse("BMP pixel of color {} of {}", index, colors);
  }
}

}  // namespace

Image decode_bmp(const EncodedImage& file) {
  check_bmp(file);
  int width = 0, height = 0, stored = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(file.data, static_cast<int>(file.size), &width, &height, &stored, 3),
      &stbi_image_free);
  if (pixels == nullptr) file.refuse("undecodable BMP ({})", stbi_failure_reason());
  Image image = Image::of_bytes(height, width, 3);
  std::copy_n(pixels.get(), image.bytes.size(), image.bytes.begin());
  return image;
}

}  // namespace gmlp
