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
#include <array>
#include <cmath>

#include "core/error.h"
#include "data/vision/transform.h"

namespace gmlp {
namespace {

constexpr int kPrecision = 22;  // 32 bits less 8 of the pixel and 2 of overshoot and sign
constexpr int32_t kHalf = 1 << (kPrecision - 1);  // sums start from it, to round

double kernel(double t) {
  constexpr double kA = -0.5;
  t = std::abs(t);
  if (t < 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  return t < 2 ? ((t - 5) * t + 8) * t * kA - 4 * kA : 0;
}

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
  std::vector<double> raw(weights.taps);
  int32_t* values = weights.values.data();
  for (int64_t x = begin; x < begin + size; ++x, values += weights.taps) {
    const double center = (static_cast<double>(x) + 0.5) * scale;
    // Inputs beyond the edge have no weight; the others share it.
    const int64_t first = std::max<int64_t>(0, std::llround(center - support));
    const int64_t count = std::min<int64_t>(in, std::llround(center + support)) - first;
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      raw[static_cast<size_t>(i)] =
          kernel((static_cast<double>(first + i) + 0.5 - center) / stretch);
      sum += raw[static_cast<size_t>(i)];
    }
    std::transform(raw.begin(), raw.begin() + count, values, [&](double weight) {
      return static_cast<int32_t>(std::lround(weight / sum * (1 << kPrecision)));
    });
    weights.first.push_back(first);
    weights.count.push_back(count);
  }
  return weights;
}

uint8_t fixed_to_byte(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecision, 0, 255));
}

/// Input rows are `stride` bytes apart. With a constant kChannels, the sums stay in registers.
template <int64_t kChannels>
void resize_rows(const uint8_t* in, int64_t stride, const Weights& weights, Image& result) {
  uint8_t* out = result.bytes.data();
  for (int64_t y = 0; y < result.height; ++y, in += stride) {
    for (size_t x = 0; x < weights.first.size(); ++x) {
      const int32_t* weight = &weights.values[x * weights.taps];
      const uint8_t* pixel = in + weights.first[x] * kChannels;
      std::array<int32_t, kChannels> sums;
      sums.fill(kHalf);
      for (int64_t i = 0; i < weights.count[x]; ++i) {
        for (int32_t& sum : sums) sum += weight[i] * *pixel++;
      }
      for (const int32_t sum : sums) *out++ = fixed_to_byte(sum);
    }
  }
}

/// Sums whole rows, so that memory is read in order.
void resize_columns(const uint8_t* in, const Weights& weights, Image& result) {
  const int64_t size = result.width * result.channels;
  std::vector<int32_t> sums(static_cast<size_t>(size));
  uint8_t* out = result.bytes.data();
  for (size_t y = 0; y < weights.first.size(); ++y, out += size) {
    const int32_t* weight = &weights.values[y * weights.taps];
    const uint8_t* row = in + weights.first[y] * size;
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int64_t i = 0; i < weights.count[y]; ++i, row += size) {
      for (int64_t k = 0; k < size; ++k) sums[static_cast<size_t>(k)] += weight[i] * row[k];
    }
    std::transform(sums.begin(), sums.end(), out, fixed_to_byte);
  }
}

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
  if (image.is_float()) {
    fail_input("images of floats ({} x {}) are not resized; store them as {} x {}", image.width,
               image.height, width, height);
  }
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
  const int64_t stride = image.width * image.channels;
  image.channels == 1 ? resize_rows<1>(corner, stride, across, wide)
                      : resize_rows<3>(corner, stride, across, wide);
  Image result = Image::of_bytes(out.height, out.width, image.channels);
  resize_columns(wide.bytes.data(), down, result);
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
