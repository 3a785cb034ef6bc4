// The operations follow Pillow's ImageOps and ImageEnhance, which the paper used. All are plain
// loops: at the sizes of training images a policy takes microseconds, and training milliseconds.
#include "data/vision/autoaugment.h"

#include <algorithm>
#include <cmath>
#include <locale>
#include <numbers>
#include <numeric>
#include <sstream>

#include "core/error.h"
#include "data/vision/transform.h"

namespace gmlp {
namespace {

using Bytes = std::vector<uint8_t>;
using Table = std::array<uint8_t, 256>;
using Histogram = std::array<int64_t, 256>;

/// Rounded and clamped.
uint8_t to_byte(double value) {
  return static_cast<uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
}

/// Source position of output (x, y): (a x + b y, c x + d y), relative to the center.
struct Linear {
  double a = 1, b = 0, c = 0, d = 1;
};

/// Bilinear. Pixels outside have the color `fill`.
void warp(Image& image, const Linear& map, const std::array<uint8_t, 3>& fill) {
  const Bytes source = image.bytes;
  const double center_x = static_cast<double>(image.width - 1) / 2;
  const double center_y = static_cast<double>(image.height - 1) / 2;
  const auto pixel = [&](int64_t x, int64_t y, int64_t channel) -> double {
    const bool inside = x >= 0 && y >= 0 && x < image.width && y < image.height;
    const int64_t at = (y * image.width + x) * image.channels + channel;
    return inside ? source[static_cast<size_t>(at)] : fill[static_cast<size_t>(channel)];
  };
  uint8_t* out = image.bytes.data();
  for (int64_t i = 0; i < image.height * image.width; ++i) {
    const int64_t y = i / image.width;
    const double dx = static_cast<double>(i - y * image.width) - center_x;
    const double dy = static_cast<double>(y) - center_y;
    const double sx = map.a * dx + map.b * dy + center_x;
    const double sy = map.c * dx + map.d * dy + center_y;
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
  for (size_t i = 0; image.channels == 3 && i < gray.size(); i += 3) {
    const double luma = 0.299 * gray[i] + 0.587 * gray[i + 1] + 0.114 * gray[i + 2];
    gray[i] = gray[i + 1] = gray[i + 2] = to_byte(luma);
  }
  return gray;
}

/// Every pixel has the mean of the gray image.
Bytes mean_gray_of(const Image& image) {
  const Bytes gray = gray_of(image);
  const double sum = std::accumulate(gray.begin(), gray.end(), 0.0);
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

template <typename Function>
Table table_of(const Function& function) {
  Table table{};
  for (int i = 0; i < 256; ++i) table[static_cast<size_t>(i)] = static_cast<uint8_t>(function(i));
  return table;
}

/// Stretches [lowest, highest] to [0, 255].
Table contrast_table(const Histogram& histogram) {
  int low = 0, high = 255;
  while (histogram[static_cast<size_t>(low)] == 0) ++low;
  while (histogram[static_cast<size_t>(high)] == 0) --high;
  return table_of([&](int byte) {
    const double scaled = (byte - low) * 255.0 / (high - low);
    return high > low ? to_byte(scaled) : byte;
  });
}

/// Spreads the bytes so that all are about equally frequent, by Pillow's integer rule.
Table equalize_table(const Histogram& histogram) {
  const int64_t total = std::accumulate(histogram.begin(), histogram.end(), int64_t{0});
  const int64_t last =
      *std::find_if(histogram.rbegin(), histogram.rend(), [](int64_t count) { return count > 0; });
  const int64_t step = (total - last) / 255;
  int64_t sum = step / 2;  // of the bytes below, and half a step to round
  return table_of([&](int64_t byte) {
    const int64_t value = step == 0 ? byte : std::min<int64_t>(255, sum / step);
    sum += histogram[static_cast<size_t>(byte)];
    return value;
  });
}

/// What the five operations that map bytes make of a channel's bytes.
Table byte_table(std::string_view operation, double value, const Histogram& histogram) {
  if (operation == "AutoContrast") return contrast_table(histogram);
  if (operation == "Equalize") return equalize_table(histogram);
  return table_of([&](int byte) {
    if (operation == "Posterize") return byte & 0xFF << (8 - static_cast<int>(value));
    return operation == "Solarize" && byte < value ? byte : 255 - byte;
  });
}

/// The value of an operation at a magnitude in 0..10 (the paper's table 6).
double operation_value(std::string_view operation, double magnitude) {
  const double part = magnitude / 10;
  if (operation == "ShearX") return 0.3 * part;
  if (operation == "Rotate") return 30 * part;
  // These two get milder with the magnitude: more bits are kept, fewer bytes inverted.
  if (operation == "Posterize") return 4 + std::floor(4 * part);
  if (operation == "Solarize") return std::floor(256 * part);
  return 0.1 + 1.8 * part;  // the factor of an enhancement
}

/// Drawn as a pair. The magnitude is 0..10.
struct Step {
  std::string operation;
  double probability = 0, magnitude = 0;
};

/// Table 9 of the paper, a pair per line. It lists some twice: they are drawn twice as often.
std::vector<Step> read_policy() {
  std::istringstream text(kAutoAugmentPolicy);
  text.imbue(std::locale::classic());
  std::vector<Step> steps(50);
  for (Step& step : steps) text >> step.operation >> step.probability >> step.magnitude;
  require(!text.fail(), "autoaugment.txt has fewer operations than the paper's table");
  return steps;
}

}  // namespace

void apply_operation(Image& image, std::string_view operation, double value,
                     const std::array<uint8_t, 3>& fill) {
  require(!image.is_float() && (image.channels == 1 || image.channels == 3),
          "apply_operation: bytes of 1 or 3 channels");
  const double cosine = std::cos(value * std::numbers::pi / 180);
  const double sine = std::sin(value * std::numbers::pi / 180);
  if (operation == "ShearX") return warp(image, {.b = value}, fill);
  if (operation == "Rotate") return warp(image, {cosine, sine, -sine, cosine}, fill);
  if (operation == "Color") return blend(image, gray_of(image), value);
  if (operation == "Contrast") return blend(image, mean_gray_of(image), value);
  if (operation == "Sharpness") return blend(image, smooth_of(image), value);
  const size_t channels = static_cast<size_t>(image.channels);
  const bool counts = operation == "AutoContrast" || operation == "Equalize";
  for (size_t c = 0; c < channels; ++c) {
    Histogram histogram{};
    for (size_t i = c; counts && i < image.bytes.size(); i += channels) ++histogram[image.bytes[i]];
    const Table table = byte_table(operation, value, histogram);
    for (size_t i = c; i < image.bytes.size(); i += channels) {
      image.bytes[i] = table[image.bytes[i]];
    }
  }
}

void autoaugment(Image& image, Random& random, const std::array<uint8_t, 3>& fill) {
  static const std::vector<Step> kPolicy = read_policy();
  const size_t pair = 2 * static_cast<size_t>(random.below(25));
  for (const size_t i : {pair, pair + 1}) {
    const Step& step = kPolicy[i];
    // Both are drawn in any case, so that a pair always consumes the same numbers.
    const bool applied = random.uniform() < step.probability;
    const bool negative = random.below(2) == 1;
    if (!applied) continue;
    const double value = operation_value(step.operation, step.magnitude);
    const bool has_sign = step.operation == "ShearX" || step.operation == "Rotate";
    apply_operation(image, step.operation, negative && has_sign ? -value : value, fill);
  }
}

}  // namespace gmlp
