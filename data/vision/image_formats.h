#pragma once
// What the decoders share. image_decode.cpp chooses among them, and decodes WebP itself.

#include <cstdint>
#include <string>
#include <utility>

#include "core/error.h"
#include "data/vision/dataset.h"

namespace gmlp {

constexpr int64_t kMaxImageSide = int64_t{1} << 16;

/// A file in memory.
struct EncodedImage {
  const uint8_t* data = nullptr;
  int64_t size = 0;
  const std::string& path;  // for messages
  bool header_only = false;

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> reason, Args&&... args) const {
    fail_input("{}: {}; save the image again or remove it", path,
               fmt::format(reason, std::forward<Args>(args)...));
  }
  /// Refuses sizes beyond the limits, files of fewer bytes than so many pixels need, and small
  /// files whose decoding would take much memory.
  void check_size(int64_t height, int64_t width, int64_t min_bytes, int64_t memory) const;
};

Image decode_jpeg(const EncodedImage& file);
Image decode_png(const EncodedImage& file);
Image decode_bmp(const EncodedImage& file);

/// The orientation that an EXIF block notes, 1 to 8. 1 (as stored) if it notes none.
int exif_orientation(const uint8_t* exif, int64_t size);

/// The pixels as they are to be seen, like Pillow's ImageOps.exif_transpose.
Image turn(Image image, int orientation);

}  // namespace gmlp
