#pragma once
// AutoAugment (Cubuk et al. 2019, arXiv:1805.09501): one of 25 pairs of operations on 8-bit images,
// each applied with its probability at its magnitude. The policy is the paper's for ImageNet (its
// table 9).

#include <array>
#include <cstdint>

#include "core/random.h"
#include "data/vision/dataset.h"

namespace gmlp {

enum class Operation : uint8_t {
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kColor,
  kBrightness,
  kContrast,
  kSharpness,
  kPosterize,
  kSolarize,
  kAutoContrast,
  kEqualize,
  kInvert,
};

/// What `value` means: shears, a slope; translations, a fraction of the side; rotation, degrees;
/// the four enhancements, a factor (1 changes nothing); posterize, the bits kept; solarize, the
/// first inverted byte; ignored by the last three. `fill` is the colour of what comes from outside.
void apply_operation(Image& image, Operation operation, double value,
                     const std::array<uint8_t, 3>& fill);

/// The value of an operation at a magnitude in 0..10 (the paper's table 6). The sign of the
/// geometric ones is the caller's to choose.
double operation_value(Operation operation, double magnitude);

/// Draws a pair and applies it. The image has 1 or 3 channels of bytes.
void autoaugment(Image& image, Random& random, const std::array<uint8_t, 3>& fill);

}  // namespace gmlp
