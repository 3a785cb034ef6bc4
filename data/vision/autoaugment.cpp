// The operations follow Pillow's ImageOps and ImageEnhance, which the paper used. All are plain
// loops: at the sizes of training images a policy takes some microseconds, next to milliseconds of
// training.
#include "data/vision/autoaugment.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/error.h"

namespace gmlp {
namespace {

using Bytes = std::vector<uint8_t>;
using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

/// Rounded and clamped.
uint8_t to_byte(double value) {
  return static_cast<uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
}

/// Source position of output (x, y): (a x + b y + c, d x + e y + f), relative to the center.
struct Affine {
  double a = 1, b = 0, c = 0;
  double d = 0, e = 1, f = 0;
};

/// Bilinear. Pixels outside have the color `fill`.
void warp(Image& image, const Affine& map, const std::array<uint8_t, 3>& fill) {
  const Bytes source = image.bytes;
  const double center_x = static_cast<double>(image.width - 1) / 2;
  const double center_y = static_cast<double>(image.height - 1) / 2;
  const auto pixel = [&](int64_t x, int64_t y, int64_t channel) -> double {
    if (x < 0 || y < 0 || x >= image.width || y >= image.height) {
      return fill[static_cast<size_t>(channel)];
    }
    return source[static_cast<size_t>((y * image.width + x) * image.channels + channel)];
  };
  uint8_t* out = image.bytes.data();
  for (int64_t y = 0; y < image.height; ++y) {
    for (int64_t x = 0; x < image.width; ++x) {
      const double dx = static_cast<double>(x) - center_x;
      const double dy = static_cast<double>(y) - center_y;
      const double sx = map.a * dx + map.b * dy + map.c + center_x;
      const double sy = map.d * dx + map.e * dy + map.f + center_y;
      const int64_t left = static_cast<int64_t>(std::floor(sx));
      const int64_t top = static_cast<int64_t>(std::floor(sy));
      const double u = sx - static_cast<double>(left);
      const double v = sy - static_cast<double>(top);
      for (int64_t c = 0; c < image.channels; ++c) {
        const double upper = (1 - u) * pixel(left, top, c) + u * pixel(left + 1, top, c);
        const double lower = (1 - u) * pixel(left, top + 1, c) + u * pixel(left + 1, top + 1, c);
        *out++ = to_byte((1 - v) * upper + v * lower);
      }
    }
  }
}

/// Pillow's enhancement: degenerate + factor (image - degenerate). Beyond 1 it extrapolates.
void blend(Image& image, const Bytes& degenerate, double factor) {
  for (size_t i = 0; i < image.bytes.size(); ++i) {
    const double base = degenerate[i];
    image.bytes[i] = to_byte(base + factor * (image.bytes[i] - base));
  }
}

/// The image without color, in as many channels.
Bytes gray_of(const Image& image) {
  Bytes gray = image.bytes;
  if (image.channels != 3) return gray;
  for (size_t i = 0; i + 2 < gray.size(); i += 3) {
    const double luma = 0.299 * gray[i] + 0.587 * gray[i + 1] + 0.114 * gray[i + 2];
    gray[i] = gray[i + 1] = gray[i + 2] = to_byte(luma);
  }
  return gray;
}

/// Every pixel has the mean of the gray image.
Bytes mean_gray_of(const Image& image) {
  const Bytes gray = gray_of(image);
  double sum = 0;
  for (const uint8_t value : gray) sum += value;
  return Bytes(gray.size(), to_byte(sum / static_cast<double>(gray.size())));
}

/// Pillow's SMOOTH filter: (1 1 1; 1 5 1; 1 1 1) / 13. The border stays.
Bytes smooth_of(const Image& image) {
  Bytes smooth = image.bytes;
  const int64_t stride = image.width * image.channels;
  for (int64_t y = 1; y + 1 < image.height; ++y) {
    for (int64_t i = image.channels; i < stride - image.channels; ++i) {
      const uint8_t* center = image.bytes.data() + y * stride + i;
      int sum = 4 * *center;
      for (int64_t dy = -stride; dy <= stride; dy += stride) {
        for (int64_t dx = -image.channels; dx <= image.channels; dx += image.channels) {
          sum += center[dy + dx];
        }
      }
      smooth[static_cast<size_t>(y * stride + i)] = to_byte(sum / 13.0);
    }
  }
  return smooth;
}

/// Replaces each byte by table(byte).
template <typename Function>
void map_bytes(Image& image, const Function& function) {
  for (uint8_t& byte : image.bytes) byte = static_cast<uint8_t>(function(byte));
}

/// Replaces each channel's bytes by make(histogram)[byte].
void map_channels(Image& image, Table (*make)(const Histogram&)) {
  const size_t channels = static_cast<size_t>(image.channels);
  for (size_t c = 0; c < channels; ++c) {
    Histogram histogram{};
    for (size_t i = c; i < image.bytes.size(); i += channels) ++histogram[image.bytes[i]];
    const Table table = make(histogram);
    for (size_t i = c; i < image.bytes.size(); i += channels) {
      image.bytes[i] = table[image.bytes[i]];
    }
  }
}

/// Stretches [lowest, highest] to [0, 255].
Table contrast_table(const Histogram& histogram) {
  int low = 0;
  int high = 255;
  while (low < 255 && histogram[static_cast<size_t>(low)] == 0) ++low;
  while (high > 0 && histogram[static_cast<size_t>(high)] == 0) --high;
  Table table{};
  for (int i = 0; i < 256; ++i) {
    const double value = high > low ? (i - low) * 255.0 / (high - low) : i;
    table[static_cast<size_t>(i)] = to_byte(value);
  }
  return table;
}

/// Spreads the bytes so that all are about equally frequent, by Pillow's integer rule.
Table equalize_table(const Histogram& histogram) {
  int64_t total = 0;
  int64_t last = 0;  // pixels of the highest byte
  for (const int64_t count : histogram) {
    total += count;
    if (count > 0) last = count;
  }
  const int64_t step = (total - last) / 255;
  Table table{};
  int64_t sum = step / 2;
  for (size_t i = 0; i < 256; ++i) {
    const int64_t value = step == 0 ? static_cast<int64_t>(i) : sum / step;
    table[i] = static_cast<uint8_t>(std::min<int64_t>(255, value));
    sum += histogram[i];
  }
  return table;
}

/// The value of an operation at a magnitude in 0..10 (the paper's table 6).
double operation_value(Operation operation, double magnitude) {
  const double part = magnitude / 10;
  if (operation <= Operation::kShearY) return 0.3 * part;
  if (operation <= Operation::kTranslateY)
    return 150.0 / 331.0 * part;  // of the paper's 331 pixels
  if (operation == Operation::kRotate) return 30 * part;
  if (operation <= Operation::kSharpness) return 0.1 + 1.8 * part;
  // These two get milder with the magnitude: more bits are kept, fewer bytes inverted.
  if (operation == Operation::kPosterize) return 4 + std::floor(4 * part);
  return std::floor(256 * part);
}

/// Drawn as a pair. The magnitude is 0..10.
struct Step {
  Operation operation;
  double probability;
  double magnitude;
};
using O = Operation;
// Table 9 of the paper, which lists some pairs twice: they are drawn twice as often.
constexpr std::array<std::array<Step, 2>, 25> kPolicy{{
    {{{O::kPosterize, 0.4, 8}, {O::kRotate, 0.6, 9}}},
    {{{O::kSolarize, 0.6, 5}, {O::kAutoContrast, 0.6, 5}}},
    {{{O::kEqualize, 0.8, 8}, {O::kEqualize, 0.6, 3}}},
    {{{O::kPosterize, 0.6, 7}, {O::kPosterize, 0.6, 6}}},
    {{{O::kEqualize, 0.4, 7}, {O::kSolarize, 0.2, 4}}},
    {{{O::kEqualize, 0.4, 4}, {O::kRotate, 0.8, 8}}},
    {{{O::kSolarize, 0.6, 3}, {O::kEqualize, 0.6, 7}}},
    {{{O::kPosterize, 0.8, 5}, {O::kEqualize, 1.0, 2}}},
    {{{O::kRotate, 0.2, 3}, {O::kSolarize, 0.6, 8}}},
    {{{O::kEqualize, 0.6, 8}, {O::kPosterize, 0.4, 6}}},
    {{{O::kRotate, 0.8, 8}, {O::kColor, 0.4, 0}}},
    {{{O::kRotate, 0.4, 9}, {O::kEqualize, 0.6, 2}}},
    {{{O::kEqualize, 0.0, 7}, {O::kEqualize, 0.8, 8}}},
    {{{O::kInvert, 0.6, 4}, {O::kEqualize, 1.0, 8}}},
    {{{O::kColor, 0.6, 4}, {O::kContrast, 1.0, 8}}},
    {{{O::kRotate, 0.8, 8}, {O::kColor, 1.0, 2}}},
    {{{O::kColor, 0.8, 8}, {O::kSolarize, 0.8, 7}}},
    {{{O::kSharpness, 0.4, 7}, {O::kInvert, 0.6, 8}}},
    {{{O::kShearX, 0.6, 5}, {O::kEqualize, 1.0, 9}}},
    {{{O::kColor, 0.4, 0}, {O::kEqualize, 0.6, 3}}},
    {{{O::kEqualize, 0.4, 7}, {O::kSolarize, 0.2, 4}}},
    {{{O::kSolarize, 0.6, 5}, {O::kAutoContrast, 0.6, 5}}},
    {{{O::kInvert, 0.6, 4}, {O::kEqualize, 1.0, 8}}},
    {{{O::kColor, 0.6, 4}, {O::kContrast, 1.0, 8}}},
    {{{O::kEqualize, 0.8, 8}, {O::kEqualize, 0.6, 3}}},
}};

}  // namespace

void apply_operation(Image& image, Operation operation, double value,
                     const std::array<uint8_t, 3>& fill) {
  require(!image.is_float() && (image.channels == 1 || image.channels == 3),
          "apply_operation: bytes of 1 or 3 channels");
  const double cosine = std::cos(value * std::numbers::pi / 180);
  const double sine = std::sin(value * std::numbers::pi / 180);
  switch (operation) {
    case O::kShearX:
      return warp(image, {.b = value}, fill);
    case O::kShearY:
      return warp(image, {.d = value}, fill);
    case O::kTranslateX:
      return warp(image, {.c = value * static_cast<double>(image.width)}, fill);
    case O::kTranslateY:
      return warp(image, {.f = value * static_cast<double>(image.height)}, fill);
    case O::kRotate:
      return warp(image, {.a = cosine, .b = sine, .d = -sine, .e = cosine}, fill);
    case O::kColor:
      return blend(image, gray_of(image), value);
    case O::kBrightness:
      return blend(image, Bytes(image.bytes.size()), value);
    case O::kContrast:
      return blend(image, mean_gray_of(image), value);
    case O::kSharpness:
      return blend(image, smooth_of(image), value);
    case O::kPosterize:
      return map_bytes(image,
                       [&](int byte) { return byte & 0xFF << (8 - static_cast<int>(value)); });
    case O::kSolarize:
      return map_bytes(image, [&](int byte) { return byte < value ? byte : 255 - byte; });
    case O::kAutoContrast:
      return map_channels(image, contrast_table);
    case O::kEqualize:
      return map_channels(image, equalize_table);
    case O::kInvert:
      return map_bytes(image, [](int byte) { return 255 - byte; });
  }
}

void autoaugment(Image& image, Random& random, const std::array<uint8_t, 3>& fill) {
  for (const Step& step : kPolicy[static_cast<size_t>(random.below(25))]) {
    // Both are drawn in any case, so that a pair always consumes the same numbers.
    const bool applied = random.uniform() < step.probability;
    const bool negative = random.below(2) == 1;
    if (!applied) continue;
    double value = operation_value(step.operation, step.magnitude);
    if (step.operation <= O::kRotate && negative) value = -value;
    apply_operation(image, step.operation, value, fill);
  }
}

}  // namespace gmlp
