#pragma once
// Antialiased Catmull-Rom (a = -0.5, Pillow's and timm's bicubic), each axis by itself, edges
// clamped. Images of bytes only; throws InputError for floats.

#include <cstdint>

#include "data/vision/dataset.h"

namespace gmlp {

/// A rectangle of an image, in pixels.
struct CropBox {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;  // 0: the whole image
  int64_t width = 0;
};

/// The part of the image in `box`, resized to height x width. No pixel outside of `box` is used.
/// With `window`, computes only those pixels of the result, in time and memory for them alone.
Image resize_bicubic(const Image& image, int64_t height, int64_t width, const CropBox& box = {},
                     const CropBox& window = {});

/// Shrinks a photo to a shorter side of at most `side`: 3024 x 3024 pixels are 27 MB, 256 x 256 are
/// 0.2 MB. Returns the image itself if side = 0.
Image shrink_photo(Image image, int64_t side);

}  // namespace gmlp
