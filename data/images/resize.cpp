// Bicubic resize as PIL does it, so that timm's weights see the pixels they were trained on:
//
//   out[x] = sum_i w_i in[i],   w_i = k((i + 0.5 - (x + 0.5) s) / max(s, 1)) / sum,   s = size in /
//   out k(t) = (a + 2)|t|^3 - (a + 3) t^2 + 1       |t| < 1      a = -0.5 (Keys 1981, Catmull-Rom)
//          a |t|^3 - 5a t^2 + 8a |t| - 4a       |t| < 2
//
// When shrinking, the kernel is stretched by s, which makes it a low-pass filter. Rows first, then
// columns, rounded to bytes in between; weights are integers of 22 fractional bits, so that the
// result is the same on every machine.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "data/images/transform.h"

namespace gmlp {
namespace {

constexpr int kPrecision = 22;  // 32 bits less 8 of the pixel and 2 of overshoot and sign

double kernel(double t) {
  constexpr double kA = -0.5;
  t = std::abs(t);
  if (t < 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  if (t < 2) return ((t - 5) * t + 8) * t * kA - 4 * kA;
  return 0;
}

/// The weights of one axis: output i is the sum of `count` inputs from first[i].
struct Weights {
  int64_t taps = 0;
  std::vector<int64_t> first;
  std::vector<int64_t> count;
  std::vector<int32_t> values;  // taps per output
};

Weights make_weights(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = 2 * stretch;
  Weights weights;
  weights.taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  weights.values.resize(static_cast<size_t>(out * weights.taps));
  std::vector<double> raw(static_cast<size_t>(weights.taps));
  for (int64_t x = 0; x < out; ++x) {
    const double center = (static_cast<double>(x) + 0.5) * scale;
    // Inputs beyond the edge get no weight; the others share it.
    const int64_t first =
        std::max<int64_t>(0, static_cast<int64_t>(std::llround(center - support)));
    const int64_t last = std::min(in, static_cast<int64_t>(std::llround(center + support)));
    double sum = 0;
    for (int64_t i = first; i < last; ++i) {
      const double value = kernel((static_cast<double>(i) + 0.5 - center) / stretch);
      raw[static_cast<size_t>(i - first)] = value;
      sum += value;
    }
    for (int64_t i = 0; i < last - first; ++i) {
      const double value = raw[static_cast<size_t>(i)] / sum * (1 << kPrecision);
      weights.values[static_cast<size_t>(x * weights.taps + i)] =
          static_cast<int32_t>(std::lround(value));
    }
    weights.first.push_back(first);
    weights.count.push_back(last - first);
  }
  return weights;
}

uint8_t to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecision, 0, 255));
}

constexpr int32_t kHalf = 1 << (kPrecision - 1);  // sums start from it, to round

/// Each of `rows` rows of pixels, `stride` bytes apart, to weights.first.size() pixels. The number
/// of channels is a constant, so that the sums stay in registers.
template <int64_t kChannels>
void resize_rows(const uint8_t* in, int64_t rows, int64_t stride, const Weights& weights,
                 uint8_t* out) {
  for (int64_t y = 0; y < rows; ++y, in += stride) {
    for (size_t x = 0; x < weights.first.size(); ++x) {
      const int32_t* weight = &weights.values[x * static_cast<size_t>(weights.taps)];
      const uint8_t* pixel = in + weights.first[x] * kChannels;
      std::array<int32_t, kChannels> sums;
      sums.fill(kHalf);
      for (int64_t i = 0; i < weights.count[x]; ++i) {
        for (int32_t& sum : sums) sum += weight[i] * *pixel++;
      }
      for (const int32_t sum : sums) *out++ = to_byte(sum);
    }
  }
}

/// Whole rows of `size` bytes are weighed and summed, so that memory is read in order.
void resize_columns(const uint8_t* in, int64_t size, const Weights& weights, uint8_t* out) {
  std::vector<int32_t> sums(static_cast<size_t>(size));
  for (size_t y = 0; y < weights.first.size(); ++y, out += size) {
    const int32_t* weight = &weights.values[y * static_cast<size_t>(weights.taps)];
    const uint8_t* row = in + weights.first[y] * size;
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int64_t i = 0; i < weights.count[y]; ++i, row += size) {
      for (int64_t k = 0; k < size; ++k) sums[static_cast<size_t>(k)] += weight[i] * row[k];
    }
    for (int64_t k = 0; k < size; ++k) out[k] = to_byte(sums[static_cast<size_t>(k)]);
  }
}

}  // namespace

Image resize_bicubic(const Image& image, const CropBox& box, int64_t height, int64_t width) {
  if (image.is_float()) {
    fail_input("images of floats ({} x {}) are taken as they are; store them as {} x {}",
               image.width, image.height, width, height);
  }
  require(image.channels == 1 || image.channels == 3, "resize_bicubic: 1 or 3 channels");
  require(box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && height > 0 &&
              width > 0 && box.top + box.height <= image.height &&
              box.left + box.width <= image.width,
          "resize_bicubic: the box leaves the image");
  const int64_t stride = image.width * image.channels;
  Image across;  // box.height x width
  across.height = box.height;
  across.width = width;
  across.channels = image.channels;
  across.bytes.resize(static_cast<size_t>(box.height * width * image.channels));
  const uint8_t* corner = image.bytes.data() + box.top * stride + box.left * image.channels;
  if (width == box.width) {
    for (int64_t y = 0; y < box.height; ++y) {
      std::copy_n(corner + y * stride, width * image.channels,
                  across.bytes.data() + y * width * image.channels);
    }
  } else {
    const Weights weights = make_weights(box.width, width);
    if (image.channels == 1) {
      resize_rows<1>(corner, box.height, stride, weights, across.bytes.data());
    } else {
      resize_rows<3>(corner, box.height, stride, weights, across.bytes.data());
    }
  }
  if (height == box.height) return across;
  Image result;
  result.height = height;
  result.width = width;
  result.channels = image.channels;
  result.bytes.resize(static_cast<size_t>(height * width * image.channels));
  resize_columns(across.bytes.data(), width * image.channels, make_weights(box.height, height),
                 result.bytes.data());
  return result;
}

Image resize_bicubic(const Image& image, int64_t height, int64_t width) {
  return resize_bicubic(image, {0, 0, image.height, image.width}, height, width);
}

Image shrink_photo(Image image, int64_t side) {
  const int64_t shorter = std::min(image.height, image.width);
  if (side <= 0 || shorter <= side) return image;
  return resize_bicubic(image, image.height * side / shorter, image.width * side / shorter);
}

}  // namespace gmlp
