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
#include "data/vision/transform.h"

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

/// A range of an axis.
struct Range {
  int64_t begin = 0;
  int64_t size = 0;
};

/// The weights of the outputs in `wanted`.
Weights make_weights(int64_t in, int64_t out, const Range& wanted) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = 2 * stretch;
  Weights weights;
  weights.taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  weights.values.resize(static_cast<size_t>(wanted.size * weights.taps));
  std::vector<double> raw(static_cast<size_t>(weights.taps));
  for (int64_t x = 0; x < wanted.size; ++x) {
    const double center = (static_cast<double>(wanted.begin + x) + 0.5) * scale;
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

Image empty_image(int64_t height, int64_t width, int64_t channels) {
  Image image;
  image.height = height;
  image.width = width;
  image.channels = channels;
  image.bytes.resize(static_cast<size_t>(height * width * channels));
  return image;
}

/// The rows of `box` made `width` wide, of which only the columns in `wanted`.
Image scale_rows(const Image& image, const CropBox& box, int64_t width, const Range& wanted) {
  const int64_t stride = image.width * image.channels;
  const uint8_t* corner = image.bytes.data() + box.top * stride + box.left * image.channels;
  Image across = empty_image(box.height, wanted.size, image.channels);
  if (width == box.width) {
    const int64_t size = wanted.size * image.channels;
    corner += wanted.begin * image.channels;
    for (int64_t y = 0; y < box.height; ++y) {
      std::copy_n(corner + y * stride, size, across.bytes.data() + y * size);
    }
    return across;
  }
  const Weights weights = make_weights(box.width, width, wanted);
  if (image.channels == 1) {
    resize_rows<1>(corner, box.height, stride, weights, across.bytes.data());
  } else {
    resize_rows<3>(corner, box.height, stride, weights, across.bytes.data());
  }
  return across;
}

void check_sizes(const Image& image, const CropBox& box, int64_t height, int64_t width) {
  if (image.is_float()) {
    fail_input("images of floats ({} x {}) are taken as they are; store them as {} x {}",
               image.width, image.height, width, height);
  }
  require(image.channels == 1 || image.channels == 3, "resize_bicubic: 1 or 3 channels");
  require(box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && height > 0 &&
              width > 0 && box.top + box.height <= image.height &&
              box.left + box.width <= image.width,
          "resize_bicubic: the box leaves the image");
}

/// `box` of the image made height x width, of which only `window`. Only the rows that it depends on
/// are made wider or narrower.
Image resize_part(const Image& image, const CropBox& box, int64_t height, int64_t width,
                  const CropBox& window) {
  check_sizes(image, box, height, width);
  require(window.top >= 0 && window.left >= 0 && window.height > 0 && window.width > 0 &&
              window.top + window.height <= height && window.left + window.width <= width,
          "resize_bicubic: the window leaves the image");
  const Range columns = {window.left, window.width};
  if (height == box.height) {
    const CropBox used = {box.top + window.top, box.left, window.height, box.width};
    return scale_rows(image, used, width, columns);
  }
  Weights weights = make_weights(box.height, height, {window.top, window.height});
  const int64_t first = weights.first.front();
  const int64_t last = weights.first.back() + weights.count.back();
  for (int64_t& row : weights.first) row -= first;
  const CropBox used = {box.top + first, box.left, last - first, box.width};
  const Image across = scale_rows(image, used, width, columns);
  Image result = empty_image(window.height, window.width, image.channels);
  resize_columns(across.bytes.data(), window.width * image.channels, weights, result.bytes.data());
  return result;
}

}  // namespace

Image resize_bicubic(const Image& image, const CropBox& box, int64_t height, int64_t width) {
  return resize_part(image, box, height, width, {0, 0, height, width});
}

Image resize_bicubic_window(const Image& image, int64_t height, int64_t width,
                            const CropBox& window) {
  return resize_part(image, {0, 0, image.height, image.width}, height, width, window);
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
