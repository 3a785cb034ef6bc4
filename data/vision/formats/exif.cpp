// A camera stores pixels in the order of its sensor, and notes in EXIF how it was held.
#include <algorithm>
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
  const bool lying = orientation >= 5;  // on its side: rows are seen as columns
  const bool from_right = orientation == 2 || orientation == 3 || orientation >= 7;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image turned = Image::of_bytes(lying ? image.width : image.height,
                                 lying ? image.height : image.width, image.channels);
  turned.turned = true;
  uint8_t* out = turned.bytes.data();
  for (int64_t y = 0; y < turned.height; ++y) {
    for (int64_t x = 0; x < turned.width; ++x, out += image.channels) {
      const int64_t column = lying ? y : x, row = lying ? x : y;
      const int64_t stored_column = from_right ? image.width - 1 - column : column;
      const int64_t stored_row = from_below ? image.height - 1 - row : row;
      const int64_t pixel = stored_row * image.width + stored_column;
      std::copy_n(image.bytes.data() + pixel * image.channels, image.channels, out);
    }
  }
  return turned;
}

}  // namespace gmlp
