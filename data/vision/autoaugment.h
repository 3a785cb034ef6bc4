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

/// `value` is a slope for shears, a fraction of the side for translations, degrees for rotation, a
/// factor for the four enhancements (1 changes nothing), the bits kept for posterize and the first
/// inverted byte for solarize. The last three operations ignore it. Pixels from outside get `fill`.
void apply_operation(Image& image, Operation operation, double value,
                     const std::array<uint8_t, 3>& fill);

/// Draws a pair and applies it. The image has 1 or 3 channels of bytes.
void autoaugment(Image& image, Random& random, const std::array<uint8_t, 3>& fill);

}  // namespace gmlp
