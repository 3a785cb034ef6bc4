// A camera stores pixels in the order of its sensor, and notes in EXIF how it was held.
#include <cstring>
#include <string_view>

#include "data/vision/formats/formats.h"

namespace gmlp {

int exif_orientation(const uint8_t* exif, int64_t size) {
  std::string_view tiff(reinterpret_cast<const char*>(exif), static_cast<size_t>(size));
  if (tiff.starts_with(std::string_view("Exif\0\0", 6))) tiff.remove_prefix(6);
  const bool big_endian = tiff.starts_with("MM");
  if (!big_endian && !tiff.starts_with("II")) return 1;
  const auto read = [&](size_t position, size_t bytes) {  // zeros beyond the end
    size_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      const size_t at = position + (big_endian ? i : bytes - 1 - i);
      value = value << 8 | (at < tiff.size() ? static_cast<uint8_t>(tiff[at]) : 0U);
    }
    return value;
  };
  // A directory is a count and entries of 12 bytes: tag, type, count, value.
  constexpr size_t kOrientationTag = 0x112, kShort = 3;
  const size_t directory = read(4, 4);
  for (size_t i = 0; i < read(directory, 2); ++i) {
    const size_t entry = directory + 2 + 12 * i;
    if (read(entry, 2) != kOrientationTag || read(entry + 2, 2) != kShort) continue;
    const int orientation = static_cast<int>(read(entry + 8, 2));
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

Image turn(Image image, int orientation) {
  if (orientation == 1) return image;
  // The stored pixel of the first one seen, and the distances to those to the right and below.
  const int64_t row = image.width * image.channels;
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const uint8_t* first = image.bytes.data() + (from_right ? row - image.channels : 0) +
                         (from_below ? row * (image.height - 1) : 0);
  int64_t right = from_right ? -image.channels : image.channels;
  int64_t below = from_below ? -row : row;
  Image turned = Image::of_bytes(image.height, image.width, image.channels);
  turned.turned = true;
  if (orientation >= 5) {  // lying on its side
    std::swap(right, below);
    std::swap(turned.height, turned.width);
  }
  uint8_t* out = turned.bytes.data();
  for (int64_t y = 0; y < turned.height; ++y) {
    for (int64_t x = 0; x < turned.width; ++x, out += image.channels) {
      const uint8_t* pixel = first + y * below + x * right;
      for (int64_t c = 0; c < image.channels; ++c) out[c] = pixel[c];
    }
  }
  return turned;
}

}  // namespace gmlp
