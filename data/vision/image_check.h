#pragma once
// The strict check in front of the image decoder. stb_image (2.27 in Debian 12) trusts its input:
// it has memory errors on invalid code tables, reads tables that were never defined, and shows grey
// where a file was cut off. A file that passes here is complete and valid down to its last Huffman
// code, so stb_image meets none of that.

#include <cstdint>
#include <string>

#include "core/error.h"

namespace gmlp {

enum class ImageFormat : uint8_t { kPng, kJpeg, kBmp };

struct ImageInfo {
  ImageFormat format = ImageFormat::kPng;
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 0;  // as decoded: 1 or 3
};

/// The longest side and the most pixels that are decoded (64 megapixels).
constexpr int64_t kMaxImageSide = int64_t{1} << 14;
constexpr int64_t kMaxImagePixels = int64_t{64} << 20;

/// Checks a whole file in memory, by its content whatever its name. Throws InputError naming
/// `path`.
ImageInfo check_image(const uint8_t* data, int64_t size, const std::string& path);

/// The three formats' parts of check_image.
ImageInfo check_png(const uint8_t* data, int64_t size, const std::string& path);
ImageInfo check_jpeg(const uint8_t* data, int64_t size, const std::string& path);
ImageInfo check_bmp(const uint8_t* data, int64_t size, const std::string& path);

/// Throws InputError: `path` is not an image that can be used, and why.
[[noreturn]] inline void bad_image(const std::string& path, const std::string& reason) {
  fail_input("{}: {}; save the image again or remove it", path, reason);
}

/// Throws unless 1 <= height, width <= kMaxImageSide and their product <= kMaxImagePixels.
void check_dimensions(int64_t height, int64_t width, const std::string& path);

}  // namespace gmlp
