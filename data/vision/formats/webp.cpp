// WebP: libwebp, lossy and lossless. Alpha is dropped, so that a pixel keeps the color under it.
#include <cstring>

#include <webp/decode.h>

#include "data/vision/formats/formats.h"

namespace gmlp {
namespace {

/// The orientation in the file's chunks: a name, a size, and that many bytes (padded to even).
int webp_orientation(const EncodedImage& file) {
  for (int64_t position = 12; position + 8 <= file.size;) {
    uint32_t size = 0;
    std::memcpy(&size, file.data + position + 4, sizeof(size));  // little-endian, as this machine
    if (std::memcmp(file.data + position, "EXIF", 4) == 0 && position + 8 + size <= file.size) {
      return exif_orientation(file.data + position + 8, size);
    }
    position += 8 + int64_t{size} + size % 2;
  }
  return 1;
}

}  // namespace

Image decode_webp(const EncodedImage& file) {
  const size_t size = static_cast<size_t>(file.size);
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.data, size, &features) != VP8_STATUS_OK) {
    file.refuse("damaged or truncated WebP header");
  }
  refuse_if(features.has_animation != 0,
            "{}: an animated WebP; save one frame as a still image, or remove it", file.path);
  // libwebp decodes lossless images to four bytes per pixel before it writes three.
  const int64_t pixels = int64_t{features.height} * features.width;
  file.check_size(features.height, features.width, 0, 7 * pixels);
  Image image = Image::of_bytes(features.height, features.width, 3);
  if (WebPDecodeRGBInto(file.data, size, image.bytes.data(), image.bytes.size(),
                        3 * features.width) == nullptr) {
    file.refuse("damaged or truncated WebP");
  }
  return turn(std::move(image), webp_orientation(file));
}

}  // namespace gmlp
