#pragma once
// From a stored image to the model's input: resize, crop, mirror, color, normalize. All random
// choices come from the Random passed in, which is keyed by (seed, epoch, sample).

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/random.h"
#include "data/vision/dataset.h"

namespace gmlp {

/// kMirror mirrors half of the images, kLight also shifts or crops, kAutoAugment adds its policy.
enum class Augment : uint8_t { kNone, kMirror, kLight, kAutoAugment };
inline const Choices<Augment> kAugments{
    "--aug", "augmentation", {"none", "mirror", "light", "autoaugment"}};

struct TransformOptions {
  int64_t height = 0, width = 0, channels = 0;  // the model's input; 1 or 3 channels
  Augment augment = Augment::kNone;
  bool flip = true;  // whether a mirror image keeps its label (not for digits)
  /// The random crop's share of the image's area, and its width / height (RandomResizedCrop).
  std::array<double, 2> scale{0.6, 1}, ratio{3.0 / 4, 4.0 / 3};
  /// Evaluation: the shorter side is resized to size / crop_fraction, then the center is cropped.
  double crop_fraction = 1.0;
  /// Training: larger photographs are first shrunk to this shorter side, once; 0: never.
  int64_t photo_side = 0;
  std::vector<double> mean{0.5};  // of values in [0, 1]: one per channel, or one for all
  std::vector<double> std{0.5};
};

/// Writes channels * height * width floats, CHW. Gray is repeated, color becomes luma (ITU-R 601)
/// for a model of one channel. Evaluation passes no `random`.
void transform_image(const Image& image, const TransformOptions& options, Random* random,
                     float* out);

/// What transform_image needs of photographs. In evaluation, its result is the same from all of a
/// photograph.
PhotoForm photo_form(const TransformOptions& options, bool train);

/// Pillow's integers for 0.299 R + 0.587 G + 0.114 B, in place of three channels of bytes.
Image to_gray(Image image);

// ---- Antialiased Catmull-Rom (a = -0.5), Pillow's and timm's bicubic ----

/// Keys' cubic kernel (1981) with a = -0.5.
double cubic_kernel(double t);

/// A rectangle of an image, in pixels.
struct CropBox {
  int64_t top = 0, left = 0, height = 0, width = 0;  // height 0: the whole image
};

/// The part of the image in `box`, resized to height x width. No pixel outside of `box` is used.
/// With `window`, computes only those pixels of the result, in time and memory for them alone.
/// Throws InputError for images of floats.
Image resize_bicubic(const Image& image, int64_t height, int64_t width, const CropBox& box = {},
                     const CropBox& window = {});

/// Shrinks a photo to a shorter side of at most form.side: 3024 x 3024 pixels are 27 MB, 256 x 256
/// are 0.2 MB.
Image shrink_photo(Image image, const PhotoForm& form);

// ---- autoaugment.cpp: AutoAugment (Cubuk et al. 2019, arXiv:1805.09501) ----

/// The operations of the paper's policy for ImageNet by their names there. `value` is a slope for
/// ShearX, degrees for Rotate, a factor for Color, Contrast and Sharpness (1 changes nothing), the
/// bits kept for Posterize and the first inverted byte for Solarize. AutoContrast, Equalize and
/// Invert ignore it. Pixels from outside get `fill`.
void apply_operation(Image& image, std::string_view operation, double value,
                     const std::array<uint8_t, 3>& fill);

/// Draws one of the 25 pairs and applies each operation with its probability and magnitude. The
/// image has 1 or 3 channels of bytes.
void autoaugment(Image& image, Random& random, const std::array<uint8_t, 3>& fill);

}  // namespace gmlp
