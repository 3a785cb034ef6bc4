// Training and evaluation each end in a window on an image of bytes, and write_window makes floats
// of it in one pass: shift, mirror, channels and normalisation cost no copies of their own. For
// images that already have the input's size that pass is all there is.
#include "data/vision/transform.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/vision/autoaugment.h"

namespace gmlp {
namespace {

// Images this close to the input's size are shifted instead of cropped: a crop of a 28 x 28 picture
// would blur and cut what little there is.
constexpr double kNearSize = 1.25;
constexpr int64_t kShiftPart = 8;  // shift by up to 1/8 of the side

/// Rows and columns to read for an output: a window of the source, perhaps shifted and mirrored.
struct Window {
  int64_t top = 0;
  int64_t left = 0;
  bool mirrored = false;
};

/// Position i of n continued by reflection, without repeating the edge: -1 is 1, n is n - 2.
int64_t reflect(int64_t i, int64_t n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

/// Within a factor of kNearSize, either way.
bool near_size(int64_t size, int64_t target) {
  const double ratio = static_cast<double>(size) / static_cast<double>(target);
  return ratio <= kNearSize && ratio >= 1 / kNearSize;
}

/// torchvision's RandomResizedCrop: ten attempts at a box of 0.6-1 of the area and a ratio of
/// 3/4-4/3, then the largest centred box of an allowed ratio.
CropBox random_box(const Image& image, Random& random) {
  const double height = static_cast<double>(image.height);
  const double width = static_cast<double>(image.width);
  constexpr double kMinArea = 0.6;
  constexpr double kMaxRatio = 4.0 / 3.0;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double area = height * width * random.uniform(kMinArea, 1.0);
    const double ratio = std::exp(random.uniform(-std::log(kMaxRatio), std::log(kMaxRatio)));
    const int64_t w = std::llround(std::sqrt(area * ratio));
    const int64_t h = std::llround(std::sqrt(area / ratio));
    if (w < 1 || h < 1 || w > image.width || h > image.height) continue;
    const int64_t top = random.below(image.height - h + 1);
    return {top, random.below(image.width - w + 1), h, w};
  }
  const int64_t w =
      std::max<int64_t>(1, std::min<int64_t>(image.width, std::llround(height * kMaxRatio)));
  const int64_t h =
      std::max<int64_t>(1, std::min<int64_t>(image.height, std::llround(width * kMaxRatio)));
  return {(image.height - h) / 2, (image.width - w) / 2, h, w};
}

/// size / crop_fraction; beyond 2^24 the centre is less than a pixel anyway.
int64_t before_crop(int64_t size, double crop_fraction) {
  constexpr double kLargest = 1 << 24;
  return static_cast<int64_t>(std::min(static_cast<double>(size) / crop_fraction, kLargest));
}

/// Evaluation: the shorter side to size / crop_fraction, the centre, and nothing but the centre: of
/// a picture of one row the longer side would be millions. The roundings are torchvision's.
Image resized_center(const Image& image, const TransformOptions& options) {
  const int64_t target_h = before_crop(options.height, options.crop_fraction);
  const int64_t target_w = before_crop(options.width, options.crop_fraction);
  // The side that is relatively shorter gets its target, the other one keeps the shape.
  int64_t height = target_h;
  int64_t width = target_w;
  if (image.width * target_h >= image.height * target_w) {
    width = std::max(target_w, target_h * image.width / image.height);
  } else {
    height = std::max(target_h, target_w * image.height / image.width);
  }
  // Python's round(): halves go to the even neighbour.
  const double top = std::nearbyint(static_cast<double>(height - options.height) / 2);
  const double left = std::nearbyint(static_cast<double>(width - options.width) / 2);
  const CropBox center = {static_cast<int64_t>(top), static_cast<int64_t>(left), options.height,
                          options.width};
  return resize_bicubic_window(image, height, width, center);
}

/// The grey of an RGB pixel.
float luma(const uint8_t* pixel) {
  // PIL's integers for 0.299 R + 0.587 G + 0.114 B.
  const uint32_t sum = 19595U * pixel[0] + 38470U * pixel[1] + 7471U * pixel[2] + 0x8000U;
  return static_cast<float>(sum >> 16);
}

/// One value serves all channels.
double channel_value(const std::vector<double>& values, int64_t channel) {
  return values.size() == 1 ? values[0] : values[static_cast<size_t>(channel)];
}

/// out = (byte / 255 - mean) / std over the window, reflected where it leaves the image.
void write_window(const Image& image, const TransformOptions& options, const Window& window,
                  float* out) {
  const bool average = image.channels == 3 && options.channels == 1;
  const int64_t step = image.channels;
  std::vector<int64_t> columns(static_cast<size_t>(options.width));
  for (int64_t x = 0; x < options.width; ++x) {
    const int64_t source = window.left + (window.mirrored ? options.width - 1 - x : x);
    columns[static_cast<size_t>(x)] = reflect(source, image.width) * step;
  }
  for (int64_t c = 0; c < options.channels; ++c) {
    const double deviation = channel_value(options.std, c);
    const float scale = static_cast<float>(1 / (255 * deviation));
    const float offset = static_cast<float>(-channel_value(options.mean, c) / deviation);
    const int64_t channel = image.channels == 1 ? 0 : c;
    for (int64_t y = 0; y < options.height; ++y) {
      const uint8_t* row =
          image.bytes.data() + reflect(window.top + y, image.height) * image.width * step + channel;
      for (int64_t x = 0; x < options.width; ++x, ++out) {
        const uint8_t* pixel = row + columns[static_cast<size_t>(x)];
        const float value = average ? luma(pixel) : static_cast<float>(*pixel);
        *out = value * scale + offset;
      }
    }
  }
}

void write_floats(const Image& image, const TransformOptions& options, float* out) {
  if (image.height != options.height || image.width != options.width ||
      image.channels != options.channels) {
    fail_input(
        "an image of floats is {} x {} x {}, the model takes {} x {} x {}; floats are taken as "
        "they are, so store them in that size",
        image.channels, image.height, image.width, options.channels, options.height, options.width);
  }
  std::copy(image.values.begin(), image.values.end(), out);
}

/// Options come from the trainer, which has checked what the user typed: a failure here is a bug.
void check_options(const TransformOptions& options) {
  require(options.height > 0 && options.width > 0, "transform_image: no size");
  require(options.channels == 1 || options.channels == 3, "transform_image: 1 or 3 channels");
  require(options.crop_fraction > 0 && options.crop_fraction <= 1,
          "transform_image: crop_fraction");
  const size_t channels = static_cast<size_t>(options.channels);
  require((options.mean.size() == 1 || options.mean.size() == channels) &&
              (options.std.size() == 1 || options.std.size() == channels),
          "transform_image: mean and std have 1 value or one a channel");
}

/// The centre, without a random number.
void write_centre(const Image& image, const TransformOptions& options, bool mirrored, float* out) {
  if (image.height == options.height && image.width == options.width &&
      options.crop_fraction == 1) {
    write_window(image, options, {0, 0, mirrored}, out);
    return;
  }
  write_window(resized_center(image, options), options, {0, 0, mirrored}, out);
}

/// Mirror, shift or crop, then the policy. The draws come in a fixed order; what one option
/// switches off must not move the numbers of another image, and cannot: every image has its own.
void augment(const Image& image, const TransformOptions& options, Random& random, float* out) {
  Window window;
  window.mirrored = options.flip && random.below(2) == 1;
  if (options.augment == Augment::kMirror) {
    write_centre(image, options, window.mirrored, out);
    return;
  }
  Image resized;
  const Image* source = &image;
  if (near_size(image.height, options.height) && near_size(image.width, options.width)) {
    if (image.height != options.height || image.width != options.width) {
      resized = resize_bicubic(image, options.height, options.width);
      source = &resized;
    }
    const int64_t down = options.height / kShiftPart;
    const int64_t across = options.width / kShiftPart;
    window.top = random.below(2 * down + 1) - down;
    window.left = random.below(2 * across + 1) - across;
  } else {
    resized = resize_bicubic(image, random_box(image, random), options.height, options.width);
    source = &resized;
  }
  if (options.augment == Augment::kAutoAugment) {
    // What rotation and shear uncover gets the mean colour, which normalises to zero.
    std::array<uint8_t, 3> fill{};
    for (int64_t c = 0; c < 3; ++c) {
      const double mean =
          options.mean.size() == 1
              ? options.mean[0]
              : options.mean[static_cast<size_t>(std::min(c, options.channels - 1))];
      fill[static_cast<size_t>(c)] = static_cast<uint8_t>(std::clamp(255 * mean + 0.5, 0.0, 255.0));
    }
    if (source == &image) resized = image;  // the operations work in place
    autoaugment(resized, random, fill);
    source = &resized;
  }
  write_window(*source, options, window, out);
}

}  // namespace

Augment augment_from_name(const std::string& name) {
  if (name == "none") return Augment::kNone;
  if (name == "mirror") return Augment::kMirror;
  if (name == "light") return Augment::kLight;
  if (name == "autoaugment") return Augment::kAutoAugment;
  fail_input("--aug {}: unknown; choose none, mirror, light or autoaugment", name);
}

void transform_image(const Image& image, const TransformOptions& options, Random* random,
                     float* out) {
  check_options(options);
  if (image.is_float()) {
    write_floats(image, options, out);
  } else if (random == nullptr || options.augment == Augment::kNone) {
    write_centre(image, options, false, out);
  } else {
    augment(image, options, *random, out);
  }
}

}  // namespace gmlp
