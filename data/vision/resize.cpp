// Bicubic resize as Pillow does it, so that timm's weights see the pixels they were trained on:
//
//   out[x] = sum_i w_i in[i],   w_i = k((i + 0.5 - (x + 0.5) s) / max(s, 1)) / sum,   s = in / out
//   k(t) = (a + 2)|t|^3 - (a + 3) t^2 + 1       |t| < 1      a = -0.5 (Keys 1981, Catmull-Rom)
//          a |t|^3 - 5a t^2 + 8a |t| - 4a       |t| < 2
//
// When shrinking, s stretches the kernel, which makes it a low-pass filter. Rows come first, then
// columns, rounded to bytes in between. Weights are integers of 22 fractional bits, so that the
// result is the same on every machine.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/vision/transform.h"

namespace gmlp {

double cubic_kernel(double t) {
  constexpr double kA = -0.5;
  t = std::abs(t);
  if (t < 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  return t < 2 ? ((t - 5) * t + 8) * t * kA - 4 * kA : 0;
}

namespace {

constexpr int kPrecision = 22;  // 32 bits less 8 of the pixel and 2 of overshoot and sign
constexpr int32_t kHalf = 1 << (kPrecision - 1);  // sums start from it, to round

/// The weights of one axis: output i is the sum of `count[i]` inputs from first[i].
struct Weights {
  size_t taps = 0;  // weights per output, of which the last ones may be unused
  std::vector<int64_t> first, count;
  std::vector<int32_t> values;
};

/// The weights of outputs [begin, begin + size) of `out`.
Weights make_weights(int64_t in, int64_t out, int64_t begin, int64_t size) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double stretch = std::max(scale, 1.0);
  const double support = 2 * stretch;
  Weights weights;
  weights.taps = static_cast<size_t>(std::ceil(support)) * 2 + 1;
  weights.values.resize(static_cast<size_t>(size) * weights.taps);
  int32_t* values = weights.values.data();
  for (int64_t x = begin; x < begin + size; ++x, values += weights.taps) {
    const double center = (static_cast<double>(x) + 0.5) * scale;
    // Inputs beyond the edge have no weight; the others share it.
    const int64_t first = std::max<int64_t>(0, std::llround(center - support));
    const int64_t count = std::min<int64_t>(in, std::llround(center + support)) - first;
    const auto weight = [&](int64_t i) {
      return cubic_kernel((static_cast<double>(first + i) + 0.5 - center) / stretch);
    };
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += weight(i);
    for (int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<int32_t>(std::lround(weight(i) / sum * (1 << kPrecision)));
    }
    weights.first.push_back(first);
    weights.count.push_back(count);
  }
  return weights;
}

constexpr int64_t kLanes = 16;  // sums at once, for which compilers use vectors

/// The weighted sums of `count` groups of kLanes bytes that are `stride` apart.
[[gnu::always_inline]] inline void weigh(const uint8_t* in, int64_t stride, const int32_t* weights,
                                         int64_t count, uint8_t* out) {
  int32_t sums[kLanes];
  for (int32_t& sum : sums) sum = kHalf;
  for (int64_t i = 0; i < count; ++i, in += stride) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += weights[i] * in[lane];
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    out[lane] = static_cast<uint8_t>(std::clamp(sums[lane] >> kPrecision, 0, 255));
  }
}

/// kLanes rows at once. Input rows are `stride` bytes apart.
[[gnu::always_inline]] inline void resize_rows(const uint8_t* in, int64_t stride,
                                               const Weights& weights, Image& result) {
  const int64_t channels = result.channels;
  const int64_t used = (weights.first.back() + weights.count.back()) * channels;
  std::vector<uint8_t> columns(static_cast<size_t>(used * kLanes));
  uint8_t outputs[kLanes];
  for (int64_t y = 0; y < result.height; y += kLanes) {
    const int64_t rows = std::min(kLanes, result.height - y);
    for (int64_t r = 0; r < rows; ++r, in += stride) {
      for (int64_t k = 0; k < used; ++k) columns[static_cast<size_t>(k * kLanes + r)] = in[k];
    }
    uint8_t* out = result.bytes.data() + y * result.width * channels;
    for (int64_t k = 0; k < result.width * channels; ++k, ++out) {
      const size_t x = static_cast<size_t>(k / channels);
      const int64_t first = weights.first[x] * channels + k % channels;
      weigh(&columns[static_cast<size_t>(first * kLanes)], channels * kLanes,
            &weights.values[x * weights.taps], weights.count[x], outputs);
      uint8_t* below = out;
      for (int64_t r = 0; r < rows; ++r, below += result.width * channels) *below = outputs[r];
    }
  }
}

/// kLanes columns at once. Behind the input are as many more bytes.
[[gnu::always_inline]] inline void resize_columns(const uint8_t* in, const Weights& weights,
                                                  Image& result) {
  const int64_t size = result.width * result.channels;
  uint8_t outputs[kLanes];
  uint8_t* out = result.bytes.data();
  for (size_t y = 0; y < weights.first.size(); ++y, out += size) {
    const uint8_t* row = in + weights.first[y] * size;
    for (int64_t k = 0; k < size; k += kLanes) {
      const bool whole = k + kLanes <= size;
      weigh(row + k, size, &weights.values[y * weights.taps], weights.count[y],
            whole ? out + k : outputs);
      if (!whole) std::copy_n(outputs, size - k, out + k);
    }
  }
}

/// Both passes: `wide` has the input's rows and the output's columns.
[[gnu::always_inline]] inline void resize_image(const uint8_t* in, int64_t stride,
                                                const Weights& across, const Weights& down,
                                                Image& wide, Image& result) {
  resize_rows(in, stride, across, wide);
  wide.bytes.resize(wide.bytes.size() + kLanes);
  resize_columns(wide.bytes.data(), down, result);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void resize_image_avx2(const uint8_t* in, int64_t stride,
                                               const Weights& across, const Weights& down,
                                               Image& wide, Image& result) {
  resize_image(in, stride, across, down, wide, result);
}
#endif

/// `box`, or all of an image of that size if it is empty.
CropBox checked_box(CropBox box, int64_t height, int64_t width) {
  if (box.height == 0) box = {0, 0, height, width};
  require(box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 &&
              box.top + box.height <= height && box.left + box.width <= width,
          "resize_bicubic: a box leaves the image");
  return box;
}

}  // namespace

Image resize_bicubic(const Image& image, int64_t height, int64_t width, const CropBox& box,
                     const CropBox& window) {
  refuse_if(image.is_float(), "images of floats ({} x {}) are not resized; store them as {} x {}",
            image.width, image.height, width, height);
  require(image.channels == 1 || image.channels == 3, "resize_bicubic: 1 or 3 channels");
  const CropBox in = checked_box(box, image.height, image.width);
  const CropBox out = checked_box(window, height, width);
  const Weights across = make_weights(in.width, width, out.left, out.width);
  Weights down = make_weights(in.height, height, out.top, out.height);
  // Rows that no output depends on are left out.
  const int64_t first = down.first.front();
  const int64_t rows = down.first.back() + down.count.back() - first;
  for (int64_t& row : down.first) row -= first;
  const uint8_t* corner =
      image.bytes.data() + ((in.top + first) * image.width + in.left) * image.channels;
  Image wide = Image::of_bytes(rows, out.width, image.channels);
  Image result = Image::of_bytes(out.height, out.width, image.channels);
  const int64_t stride = image.width * image.channels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    resize_image_avx2(corner, stride, across, down, wide, result);
    return result;
  }
#endif
  resize_image(corner, stride, across, down, wide, result);
  return result;
}

Image shrink_photo(Image image, const PhotoForm& form) {
  if (form.gray) image = to_gray(std::move(image));
  const int64_t shorter = std::min(image.height, image.width);
  if (form.side <= 0 || shorter <= form.side) return image;
  return resize_bicubic(image, image.height * form.side / shorter,
                        image.width * form.side / shorter);
}

}  // namespace gmlp
