#pragma once
// From a PNG, JPEG, WebP or BMP file to the bytes that Pillow's convert("L") or convert("RGB")
// returns: one channel for gray images, three for all others.
//   alpha     ignored, like a transparent color (tRNS): a pixel keeps the color under it
//   palette   looked up
//   16 bits   the high byte (Pillow clips 16-bit gray to 255, which loses the image)
//   CMYK      255 - c - k (1 - c), with Adobe's inverted values
//   EXIF      a photograph is turned as its orientation says

#include <cstdint>
#include <string>

#include "data/vision/dataset.h"

namespace gmlp {

/// Throws InputError naming the file and the reason: truncated, damaged, or too large (256 MiB,
/// 65536 pixels per side, 200 megapixels or $GMLP_MAX_PIXELS). JPEGs of more than 32 Mi pixels are
/// decoded at a reduced scale. At most 8 bytes per pixel are allocated. `checksum` gets the file's
/// CRC-32. With `header_only` a JPEG's pixels are not decoded, so that damage in them stays
/// unknown.
Image decode_image(const std::string& path, uint32_t* checksum = nullptr, bool header_only = false);

/// The same from memory. `path` is only for messages.
Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path,
                         bool header_only = false);

}  // namespace gmlp
