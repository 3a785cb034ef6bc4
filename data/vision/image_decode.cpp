#include "data/vision/image_decode.h"

#include <memory>

#include "core/io/file.h"
#include "data/vision/image_check.h"
#include "data/vision/png.h"

// JPEG and BMP only, from memory only. PNG is read by data/vision/png.cpp. The SIMD kernels are
// wanted for more than speed: the portable inverse DCT can overflow an int on extreme coefficients.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_MAX_DIMENSIONS (1 << 14)
#ifdef __ARM_NEON
#  define STBI_NEON
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace gmlp {

Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path) {
  // PNG decodes as it checks; the others are checked, then decoded.
  if (size > 0 && data[0] == 0x89) return decode_png(data, size, path);
  const ImageInfo info = check_image(data, size, path);
  // A null from here on means a valid file of a kind that stb_image does not read.
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(data, static_cast<int>(size), &width, &height, &channels,
                            static_cast<int>(info.channels)),
      &stbi_image_free);
  if (pixels == nullptr) bad_image(path, fmt::format("undecodable ({})", stbi_failure_reason()));
  require(width == info.width && height == info.height, "the image check and decoder disagree");
  Image image;
  image.height = info.height;
  image.width = info.width;
  image.channels = info.channels;
  image.bytes.assign(pixels.get(), pixels.get() + info.height * info.width * info.channels);
  return image;
}

Image decode_image(const std::string& path) {
  const std::vector<char> bytes = read_file(path, kMaxImageFileBytes);
  return decode_image_bytes(reinterpret_cast<const uint8_t*>(bytes.data()),
                            static_cast<int64_t>(bytes.size()), path);
}

}  // namespace gmlp
