#pragma once
// From a stored image to the model's input: resize, crop, flip, colour, normalise. Every random
// choice is drawn from the Random it is given, which is keyed by (seed, epoch, sample).

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/vision/dataset.h"

namespace gmlp {

/// kMirror: half of the images mirrored; kLight: also shifted or cropped; kAutoAugment: and the
/// policy.
enum class Augment : uint8_t { kNone, kMirror, kLight, kAutoAugment };
Augment augment_from_name(const std::string& name);  ///< throws InputError for an unknown name

struct TransformOptions {
  int64_t height = 0;  // the model's input
  int64_t width = 0;
  int64_t channels = 0;  // 1 or 3; grey is repeated, colour is averaged (ITU-R 601 luma)
  Augment augment = Augment::kNone;
  bool flip = true;  // whether a mirror image keeps its label (not for digits)
  double crop_fraction =
      1.0;  // evaluation: shorter side resized to size / crop_fraction, centre crop
  std::vector<double> mean{0.5};  // per channel, of values in [0, 1]; one value serves all channels
  std::vector<double> std{0.5};
};

/// Antialiased Catmull-Rom (a = -0.5, PIL's and timm's bicubic), each axis separately, edges
/// clamped. Images of bytes only; throws InputError for float images.
Image resize_bicubic(const Image& image, int64_t height, int64_t width);

/// A photograph as data sets keep it: its shorter side at most `side`, so that 3024 x 3024 pixels
/// cost 0.2 MB and not 27. side = 0: as it is.
Image shrink_photo(Image image, int64_t side);

/// A rectangle of an image, in pixels.
struct CropBox {
  int64_t top = 0;
  int64_t left = 0;
  int64_t height = 0;
  int64_t width = 0;
};
/// resize_bicubic of the part of the image in `box`, which must lie inside; no pixel outside is
/// used.
Image resize_bicubic(const Image& image, const CropBox& box, int64_t height, int64_t width);

/// The pixels in `window` of resize_bicubic(image, height, width), and no others: time and memory
/// are those of the window, however large the whole would be.
Image resize_bicubic_window(const Image& image, int64_t height, int64_t width,
                            const CropBox& window);

/// Writes channels * height * width floats, CHW. Training draws from `random`, evaluation passes
/// nullptr.
void transform_image(const Image& image, const TransformOptions& options, Random* random,
                     float* out);

}  // namespace gmlp
