// From a file to the bytes that Pillow's convert("L") or convert("RGB") returns: one channel for
// gray images, three for all others. Its first bytes choose the decoder, whatever its name. Each
// decoder checks the size that the header announces before it allocates anything.
//   alpha     ignored, like a transparent color (tRNS): a pixel keeps the color under it
//   palette   looked up
//   16 bits   the high byte (Pillow clips 16-bit gray to 255, which loses the image)
//   CMYK      255 - c - k (1 - c), with Adobe's inverted values
//   EXIF      a photograph is turned as its orientation says
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <webp/decode.h>

#include "core/io/file.h"
#include "data/vision/dataset.h"
#include "data/vision/image_formats.h"

namespace gmlp {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 28;
constexpr int64_t kMaxPixels = 200'000'000;
// What a file of any size may take; each of its bytes allows more.
constexpr int64_t kMinMemory = int64_t{64} << 20;
constexpr int64_t kMemoryPerByte = 128;

/// The orientation in a WebP's chunks: a name, a size, and that many bytes (padded to even).
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

/// libwebp, lossy and lossless. Alpha is dropped, so that a pixel keeps the color under it.
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

}  // namespace

void EncodedImage::check_size(int64_t height, int64_t width, int64_t min_bytes,
                              int64_t memory) const {
  if (height < 1 || width < 1) refuse("{} x {} pixels", width, height);
  const char* raised = std::getenv("GMLP_MAX_PIXELS");
  const int64_t most = raised == nullptr ? kMaxPixels : std::atoll(raised);
  if (height > kMaxImageSide || width > kMaxImageSide || height * width > most) {
    fail_input(
        "{}: {} x {} pixels, more than {} per side or {} in total; shrink it, or raise the total: "
        "GMLP_MAX_PIXELS={}",
        path, width, height, kMaxImageSide, most, height * width);
  }
  if (size < min_bytes) refuse("{} x {} pixels in {} bytes; it is truncated", width, height, size);
  if (raised == nullptr && memory > kMinMemory + kMemoryPerByte * size) {
    fail_input(
        "{}: {} x {} pixels in only {} bytes, which would take {} MB of memory; shrink it, or "
        "allow it: GMLP_MAX_PIXELS={}",
        path, width, height, size, memory >> 20, height * width);
  }
}

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

Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path,
                         bool header_only) {
  const EncodedImage file{data, size, path, header_only};
  const std::string_view bytes(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  if (bytes.empty()) file.refuse("the file is empty");
  if (bytes.starts_with("\x89PNG")) return decode_png(file);
  if (bytes.starts_with("\xFF\xD8")) return decode_jpeg(file);
  if (bytes.starts_with("BM")) return decode_bmp(file);
  if (bytes.starts_with("RIFF") && bytes.substr(0, 12).ends_with("WEBP")) return decode_webp(file);
  file.refuse("not a PNG, JPEG, BMP or WebP");
}

Image decode_image(const std::string& path, uint32_t* checksum, bool header_only) {
  const std::string bytes = read_text(path, kMaxFileBytes);
  if (checksum != nullptr) *checksum = crc32_of(bytes.data(), std::ssize(bytes));
  return decode_image_bytes(reinterpret_cast<const uint8_t*>(bytes.data()), std::ssize(bytes), path,
                            header_only);
}

}  // namespace gmlp
