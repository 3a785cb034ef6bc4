// BMP, without a library: file header (14 bytes), image header, masks or palette, perhaps a gap,
// rows padded to 4 bytes or run-length codes. Pixels are Pillow's.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "data/vision/formats/formats.h"

namespace gmlp {
namespace {

class BmpDecoder {
 public:
  explicit BmpDecoder(const EncodedImage& file) : file_(file) {}

  Image decode() {
    read_header();
    if (run_lengths_) unpack_runs();
    Image image = Image::of_bytes(height_, width_, 3);
    uint8_t* out = image.bytes.data();
    for (int64_t y = 0; y < height_; ++y) {
      const uint8_t* row = rows_ + stride_ * (bottom_up_ ? height_ - 1 - y : y);
      for (int64_t x = 0; x < width_; ++x, out += 3) {
        palette_ ? write_color(index_at(row, x), out) : write_masked(row + x * bits_ / 8, out);
      }
    }
    return image;
  }

 private:
  template <typename Integer>
  Integer read(int64_t position) const {
    Integer value = 0;
    if (position + int64_t{sizeof(value)} > file_.size) {
      file_.refuse("the file ends inside the BMP header");
    }
    std::memcpy(&value, file_.data + position, sizeof(value));  // little-endian, as this machine
    return value;
  }

  void read_header() {
    offset_ = read<uint32_t>(10);
    const int64_t header = read<uint32_t>(14);
    const bool os2 = header == 12;  // its fields have 2 bytes, and its colors 3
    width_ = os2 ? read<uint16_t>(18) : read<int32_t>(18);
    const int64_t height = os2 ? read<uint16_t>(20) : read<int32_t>(22);
    const int planes = read<uint16_t>(os2 ? 22 : 26);
    bits_ = read<uint16_t>(os2 ? 24 : 28);
    const uint32_t code = header >= 40 ? read<uint32_t>(30) : 0;
    height_ = std::abs(height);
    bottom_up_ = height > 0;
    palette_ = bits_ == 1 || bits_ == 4 || bits_ == 8;
    run_lengths_ = bottom_up_ && ((code == 1 && bits_ == 8) || (code == 2 && bits_ == 4));
    const bool masks = code == 3 && header != 64 && (bits_ == 16 || bits_ == 32);
    constexpr int64_t kHeaders[] = {12, 16, 40, 52, 56, 64, 108, 124};
    if (!std::count(std::begin(kHeaders), std::end(kHeaders), header) || planes != 1 ||
        (!palette_ && bits_ != 16 && bits_ != 24 && bits_ != 32) ||
        (code != 0 && !run_lengths_ && !masks)) {
      file_.refuse("unusual BMP (header of {} bytes, {} planes, {} bits per pixel, compression {})",
                   header, planes, bits_, code);
    }
    // Masks follow the header of 40 bytes and are part of the longer ones.
    first_ = 14 + header + (masks && header == 40 ? 12 : 0);
    if (offset_ < first_ || offset_ > file_.size) {
      file_.refuse("BMP pixels at byte {}, after a header of {} bytes", offset_, first_);
    }
    file_.check_size(height_, width_, 0, 0);  // before products of them, which could overflow
    stride_ = (width_ * bits_ + 31) / 32 * 4;
    rows_ = file_.data + offset_;
    const int64_t min_bytes = run_lengths_ ? 0 : offset_ + stride_ * height_;
    file_.check_size(height_, width_, min_bytes, 4 * height_ * width_);
    const int64_t used = header >= 40 ? read<uint32_t>(46) : 0;
    color_bytes_ = os2 ? 3 : 4;
    colors_ = std::min(used > 0 ? used : 1 << std::min<int64_t>(bits_, 8),
                       (offset_ - first_) / color_bytes_);
    if (bits_ == 16) masks_ = {0x7C00, 0x3E0, 0x1F};
    for (size_t c = 0; c < 3; ++c) {
      if (masks) masks_[c] = read<uint32_t>(54 + 4 * static_cast<int64_t>(c));
      const uint32_t run = masks_[c] == 0 ? 0 : masks_[c] >> std::countr_zero(masks_[c]);
      if (run == 0 || (run & (run + 1)) != 0) {
        file_.refuse("BMP channel mask {:#x}, not one run of bits", masks_[c]);
      }
    }
  }

  uint8_t index_at(const uint8_t* row, int64_t x) const {
    const int byte = row[x * bits_ / 8];
    return static_cast<uint8_t>(byte >> (8 - bits_ - x * bits_ % 8) & ((1 << bits_) - 1));
  }

  void write_color(int64_t index, uint8_t* out) const {
    if (index >= colors_) file_.refuse("BMP pixel of color {} of {}", index, colors_);
    const uint8_t* color = file_.data + first_ + color_bytes_ * index;
    std::reverse_copy(color, color + 3, out);  // blue, green, red
  }

  void write_masked(const uint8_t* pixel, uint8_t* out) const {
    uint64_t value = 0;
    for (int64_t i = bits_ / 8 - 1; i >= 0; --i) value = value << 8 | pixel[i];
    for (const uint32_t mask : masks_) {  // both are multiples of the mask's lowest bit
      *out++ = static_cast<uint8_t>(255 * (value & mask) / mask);
    }
  }

  /// Makes rows of 8-bit indices of pairs of bytes: n > 0 and the color of n pixels (4 bits: two
  /// colors in turn), or 0 and the end of the row (0) or image (1), a move (2), or n indices.
  void unpack_runs() {
    unpacked_.resize(static_cast<size_t>(width_ * height_));
    int64_t x = 0, y = 0, at = offset_;
    const auto next = [&] {
      if (at >= file_.size) file_.refuse("the file ends early; it is truncated");
      return file_.data[at++];
    };
    while (y * width_ + x < width_ * height_) {
      const uint8_t run = next(), code = next();
      if (run == 0 && code == 1) file_.refuse("BMP runs that end in row {}", y);
      if (run == 0 && code == 0) {
        x = 0;
        ++y;
      } else if (run == 0 && code == 2) {
        x += next();
        y += next();
      } else {
        const int64_t pixels = run > 0 ? run : code;
        if (x + pixels > width_) file_.refuse("a BMP run leaves its row");
        uint8_t byte = code;
        for (int64_t i = 0; i < pixels; ++i, ++x) {
          if (run == 0 && i * bits_ % 8 == 0) byte = next();
          unpacked_[static_cast<size_t>(y * width_ + x)] = index_at(&byte, i % (8 / bits_));
        }
        if (run == 0 && (pixels * bits_ + 7) / 8 % 2 == 1) next();  // padding
      }
    }
    rows_ = unpacked_.data();
    stride_ = width_;
    bits_ = 8;
  }

  const EncodedImage& file_;
  int64_t offset_ = 0, first_ = 0;  // of the pixels, and of the palette
  int64_t width_ = 0, height_ = 0, bits_ = 0, stride_ = 0, colors_ = 0, color_bytes_ = 0;
  bool bottom_up_ = false, palette_ = false, run_lengths_ = false;
  std::array<uint32_t, 3> masks_{0xFF0000, 0xFF00, 0xFF};
  std::vector<uint8_t> unpacked_;
  const uint8_t* rows_ = nullptr;
};

}  // namespace

Image decode_bmp(const EncodedImage& file) {
  return BmpDecoder(file).decode();
}

}  // namespace gmlp
