#pragma once
// From a stored image to the model's input: resize, crop, flip, color, normalize. All random
// choices come from the Random passed in, which is keyed by (seed, epoch, sample).

#include <cstdint>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/vision/dataset.h"
#include "data/vision/resize.h"

namespace gmlp {

/// kMirror mirrors half of the images. kLight also shifts or crops them, and kAutoAugment also
/// applies its policy.
enum class Augment : uint8_t { kNone, kMirror, kLight, kAutoAugment };
Augment augment_from_name(const std::string& name);  ///< throws InputError for an unknown name

struct TransformOptions {
  int64_t height = 0;  // the model's input
  int64_t width = 0;
  int64_t channels = 0;  // 1 or 3; gray is repeated, color becomes luma (ITU-R 601)
  Augment augment = Augment::kNone;
  bool flip = true;  // whether a mirror image keeps its label (not for digits)
  /// Evaluation: the shorter side is resized to size / crop_fraction, then the center is cropped.
  double crop_fraction = 1.0;
  std::vector<double> mean{0.5};  // of values in [0, 1]: one per channel, or one for all
  std::vector<double> std{0.5};
};

/// Writes channels * height * width floats, CHW. Evaluation passes no `random`.
void transform_image(const Image& image, const TransformOptions& options, Random* random,
                     float* out);

}  // namespace gmlp
