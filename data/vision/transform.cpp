// Training and evaluation both end in a window on an image of bytes. write_window makes floats of
// it in one pass, the only one for images of the input's size: shift and mirror copy nothing.
#include "data/vision/transform.h"

#include <algorithm>
#include <cmath>

namespace gmlp {
namespace {

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

}  // namespace gmlp
