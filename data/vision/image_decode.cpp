// From a file to the bytes that Pillow's convert("L") or convert("RGB") returns: one channel for
// gray images, three for all others. Its first bytes choose the decoder, whatever its name. Each
// decoder checks the size that the header announces before it allocates anything.
//   alpha     ignored, like a transparent color (tRNS): a pixel keeps the color under it
//   palette   looked up
//   16 bits   the high byte (Pillow clips 16-bit gray to 255, which loses the image)
//   CMYK      255 - c - k (1 - c), with Adobe's inverted values
//   EXIF      a photograph is turned as its orientation says
#include <algorithm>
#include <cstddef>
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

/// BMP without compression. Kinds that programs read in different ways are refused: 16 bits, run
/// lengths, OS/2, unusual masks.
/// Rows are padded to 4 bytes, and palettes may be shorter than their indices allow. A color is
/// stored as blue, green, red and, in palettes and pixels of 32 bits, a byte without meaning.
Image decode_bmp(const EncodedImage& file) {
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
  file.check_size(height, width, bmp.offset + stride * height, 3 * height * width);
  Image image = Image::of_bytes(height, width, 3);
  uint8_t* out = image.bytes.data();
  for (int64_t i = 0; i < height * width; ++i, out += 3) {
    const int64_t y = bmp.height < 0 ? i / width : height - 1 - i / width;
    const int64_t bit = i % width * bits;
    const uint8_t* color = file.data + bmp.offset + y * stride + bit / 8;
    if (palette) {
      const int64_t index = *color >> (8 - bits - bit % 8) & ((1 << bits) - 1);
      if (index >= colors) file.refuse("BMP pixel of color {} of {}", index, colors);
      color = file.data + first + 4 * index;
    }
    std::reverse_copy(color, color + 3, out);
  }
  return image;
}

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
