#pragma once
// From a PNG, JPEG or BMP file to bytes with Pillow's pixels. One channel for gray, three (RGB) for
// everything else, as Pillow's convert("L") and convert("RGB") give them:
//   alpha      ignored, and so is a transparent color (tRNS): a pixel keeps the color under it
//   palette    looked up
//   16 bits    the high byte (Pillow's convert("L") clips 16-bit gray to 255, which loses the
//   image) CMYK       255 - c - k (1 - c), Adobe's inverted values assumed EXIF       ignored: the
//   pixels are not rotated

#include <cstdint>
#include <string>

#include "data/vision/dataset.h"

namespace gmlp {

/// Larger files are refused unread.
constexpr int64_t kMaxImageFileBytes = int64_t{1} << 28;
/// The longest side and the most pixels that are decoded (64 megapixels).
constexpr int64_t kMaxImageSide = int64_t{1} << 14;
constexpr int64_t kMaxImagePixels = int64_t{64} << 20;

/// Throws InputError naming the file and the reason. A truncated or damaged file is refused.
Image decode_image(const std::string& path);

/// The same from memory. `path` is only for messages.
Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path);

}  // namespace gmlp
