// Training and evaluation both end in a window on an image of bytes. write_window makes floats of
// it in one pass, the only one for images of the input's size: shift and mirror copy nothing.
//
// The resize is Pillow's bicubic, so that timm's weights see the pixels they were trained on:
//
//   out[x] = sum_i w_i in[i],   w_i = k((i + 0.5 - (x + 0.5) s) / max(s, 1)) / sum,   s = in / out
//   k(t) = (a + 2)|t|^3 - (a + 3) t^2 + 1       |t| < 1      a = -0.5 (Keys 1981, Catmull-Rom)
//          a |t|^3 - 5a t^2 + 8a |t| - 4a       |t| < 2
//
// When shrinking, s stretches the kernel, which makes it a low-pass filter. Rows come first, then
// columns, rounded to bytes in between. Weights are integers of 22 fractional bits, so that the
// result is the same on every machine.
#include "data/vision/transform.h"

#include <algorithm>
#include <cmath>

namespace gmlp {
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

/// Both passes over `rows` rows of the input. `wide` has the input's rows and the output's columns.
[[gnu::always_inline]] inline Image resize_image(const uint8_t* in, int64_t stride, int64_t rows,
                                                 int64_t channels, const Weights& across,
                                                 const Weights& down) {
  Image wide = Image::of_bytes(rows, std::ssize(across.first), channels);
  resize_rows(in, stride, across, wide);
  wide.bytes.resize(wide.bytes.size() + kLanes);
  Image result = Image::of_bytes(std::ssize(down.first), wide.width, channels);
  resize_columns(wide.bytes.data(), down, result);
  return result;
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] Image resize_image_avx2(const uint8_t* in, int64_t stride, int64_t rows,
                                                int64_t channels, const Weights& across,
                                                const Weights& down) {
  return resize_image(in, stride, rows, channels, across, down);
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

// Images this close to the input's size are shifted: a crop of a 28 x 28 image would blur it.
constexpr double kNearSize = 1.25;
constexpr int64_t kShiftDivisor = 8;  // shift by up to 1/8 of the side

/// Position i of n continued by reflection, without repeating the edge: -1 is 1, n is n - 2.
int64_t reflect(int64_t i, int64_t n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

bool is_near_size(int64_t size, int64_t target) {
  const double ratio = static_cast<double>(size) / static_cast<double>(target);
  return ratio <= kNearSize && ratio >= 1 / kNearSize;
}

bool has_input_size(const Image& image, const TransformOptions& options) {
  return image.height == options.height && image.width == options.width;
}

/// torchvision's RandomResizedCrop: ten attempts at a box of a random area and ratio, then the
/// largest centered box of an allowed ratio.
CropBox random_box(const Image& image, const TransformOptions& options, Random& random) {
  const double height = static_cast<double>(image.height);
  const double width = static_cast<double>(image.width);
  const auto [min_ratio, max_ratio] = options.ratio;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = height * width * random.uniform(options.scale[0], options.scale[1]);
    const double ratio = std::exp(random.uniform(-std::log(1 / min_ratio), std::log(max_ratio)));
    const int64_t w = std::llround(std::sqrt(area * ratio));
    const int64_t h = std::llround(std::sqrt(area / ratio));
    if (w < 1 || h < 1 || w > image.width || h > image.height) continue;
    const int64_t top = random.below(image.height - h + 1);
    return {top, random.below(image.width - w + 1), h, w};
  }
  const int64_t w = std::clamp<int64_t>(std::llround(height * max_ratio), 1, image.width);
  const int64_t h = std::clamp<int64_t>(std::llround(width / min_ratio), 1, image.height);
  return {(image.height - h) / 2, (image.width - w) / 2, h, w};
}

/// A side of the resized image of which the center is the input.
int64_t before_crop(int64_t size, const TransformOptions& options) {
  constexpr double kMax = 1 << 24;  // beyond it the center is less than a pixel
  return static_cast<int64_t>(std::min(static_cast<double>(size) / options.crop_fraction, kMax));
}

/// Evaluation: the center after a resize of the shorter side to size / crop_fraction. No other
/// pixel is computed: an image of one row would get millions. The roundings are torchvision's.
Image resized_center(const Image& image, const TransformOptions& options) {
  int64_t height = before_crop(options.height, options);
  int64_t width = before_crop(options.width, options);
  // The side that is relatively shorter gets its target, the other one keeps the shape.
  if (image.width * height >= image.height * width) {
    width = std::max(width, height * image.width / image.height);
  } else {
    height = std::max(height, width * image.height / image.width);
  }
  const auto margin = [](int64_t size, int64_t part) {  // Python's round(): halves become even
    return static_cast<int64_t>(std::nearbyint(static_cast<double>(size - part) / 2));
  };
  return resize_bicubic(image, height, width, {},
                        {margin(height, options.height), margin(width, options.width),
                         options.height, options.width});
}

double channel_value(const std::vector<double>& values, int64_t channel) {
  return values[std::min(static_cast<size_t>(channel), values.size() - 1)];
}

/// out = (byte / 255 - mean) / std over the window at (top, left), reflected beyond the edges.
void write_window(const Image& image, const TransformOptions& options, int64_t top, int64_t left,
                  bool mirrored, float* out) {
  const int64_t step = image.channels;
  std::vector<int64_t> columns(static_cast<size_t>(options.width));
  for (int64_t x = 0; x < options.width; ++x) {
    const int64_t source = left + (mirrored ? options.width - 1 - x : x);
    columns[static_cast<size_t>(x)] = reflect(source, image.width) * step;
  }
  for (int64_t c = 0; c < options.channels; ++c) {
    const double deviation = channel_value(options.std, c);
    const float scale = static_cast<float>(1 / (255 * deviation));
    const float offset = static_cast<float>(-channel_value(options.mean, c) / deviation);
    const int64_t channel = image.channels == 1 ? 0 : c;
    for (int64_t y = 0; y < options.height; ++y) {
      const uint8_t* row =
          image.bytes.data() + reflect(top + y, image.height) * image.width * step + channel;
      for (int64_t x = 0; x < options.width; ++x, ++out) {
        *out = static_cast<float>(row[columns[static_cast<size_t>(x)]]) * scale + offset;
      }
    }
  }
}

/// The evaluation's image, without a random number.
void write_center(const Image& image, const TransformOptions& options, bool mirrored, float* out) {
  const bool is_whole = has_input_size(image, options) && options.crop_fraction == 1;
  const Image center = is_whole ? Image() : resized_center(image, options);
  write_window(is_whole ? image : center, options, 0, 0, mirrored, out);
}

/// What rotation and shear uncover: the mean color, which normalizes to zero.
std::array<uint8_t, 3> fill_color(const TransformOptions& options) {
  std::array<uint8_t, 3> fill{};
  for (int64_t c = 0; c < 3; ++c) {
    const double mean = channel_value(options.mean, c);
    fill[static_cast<size_t>(c)] = static_cast<uint8_t>(std::clamp(255 * mean + 0.5, 0.0, 255.0));
  }
  return fill;
}

/// Mirrors, shifts or crops, then applies the policy, with draws in this order.
void augment(const Image& image, const TransformOptions& options, Random& random, float* out) {
  const bool mirrored = options.flip && random.below(2) == 1;
  if (options.augment == Augment::kMirror) return write_center(image, options, mirrored, out);
  const bool policy = options.augment == Augment::kAutoAugment;
  const auto draw_shift = [&](int64_t size) {
    const int64_t most = size / kShiftDivisor;
    return random.below(2 * most + 1) - most;
  };
  int64_t top = 0, left = 0;
  Image changed;
  if (!is_near_size(image.height, options.height) || !is_near_size(image.width, options.width)) {
    changed =
        resize_bicubic(image, options.height, options.width, random_box(image, options, random));
  } else {
    if (!has_input_size(image, options)) {
      changed = resize_bicubic(image, options.height, options.width);
    } else if (policy) {
      changed = image;  // the policy works in place
    }
    top = draw_shift(options.height);
    left = draw_shift(options.width);
  }
  if (policy) autoaugment(changed, random, fill_color(options));
  write_window(changed.bytes.empty() ? image : changed, options, top, left, mirrored, out);
}

}  // namespace

void transform_image(const Image& image, const TransformOptions& options, Random* random,
                     float* out) {
  // The trainer has checked what the user typed: a failure here is a bug.
  const auto fits = [&](const std::vector<double>& values) {
    return values.size() == 1 || values.size() == static_cast<size_t>(options.channels);
  };
  require(options.height > 0 && options.width > 0 && options.crop_fraction > 0 &&
              options.crop_fraction <= 1 && (options.channels == 1 || options.channels == 3) &&
              fits(options.mean) && fits(options.std),
          "transform_image: size, channels, crop_fraction, mean or std");
  if (image.is_float()) {
    refuse_if(!has_input_size(image, options) || image.channels != options.channels,
              "an image of floats is {} x {} x {}, the model's input {} x {} x {}; floats are not "
              "resized, so store them in that size",
              image.channels, image.height, image.width, options.channels, options.height,
              options.width);
    std::copy(image.values.begin(), image.values.end(), out);
  } else if (image.channels == 3 && options.channels == 1) {
    transform_image(to_gray(image), options, random, out);
  } else if (random == nullptr || options.augment == Augment::kNone) {
    write_center(image, options, false, out);
  } else {
    augment(image, options, *random, out);
  }
}

PhotoForm photo_form(const TransformOptions& options, bool train) {
  const bool gray = options.channels == 1;
  if (train) return {options.photo_side, gray};
  // What resized_center makes of a square. Other inputs do not always follow the shorter side.
  return {options.height == options.width ? before_crop(options.height, options) : 0, gray};
}

Image to_gray(Image image) {
  if (image.channels != 3) return image;
  Image gray = Image::of_bytes(image.height, image.width, 1);
  const uint8_t* pixel = image.bytes.data();
  for (uint8_t& out : gray.bytes) {
    const uint32_t sum = 19595U * pixel[0] + 38470U * pixel[1] + 7471U * pixel[2] + 0x8000U;
    out = static_cast<uint8_t>(sum >> 16);
    pixel += 3;
  }
  return gray;
}

double cubic_kernel(double t) {
  constexpr double kA = -0.5;
  t = std::abs(t);
  if (t < 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  return t < 2 ? ((t - 5) * t + 8) * t * kA - 4 * kA : 0;
}

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
  const int64_t stride = image.width * image.channels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    return resize_image_avx2(corner, stride, rows, image.channels, across, down);
  }
#endif
  return resize_image(corner, stride, rows, image.channels, across, down);
}

Image shrink_photo(Image image, const PhotoForm& form) {
  if (form.gray) image = to_gray(std::move(image));
  const int64_t shorter = std::min(image.height, image.width);
  if (form.side <= 0 || shorter <= form.side) return image;
  return resize_bicubic(image, image.height * form.side / shorter,
                        image.width * form.side / shorter);
}

}  // namespace gmlp
