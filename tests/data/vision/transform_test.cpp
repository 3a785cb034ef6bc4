// Resize against values computed by hand, the transforms, and AutoAugment's operations one by one.
#include "data/vision/transform.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::apply_operation;
using gmlp::Augment;
using gmlp::CropBox;
using gmlp::Image;
using gmlp::resize_bicubic;
using gmlp::TransformOptions;
using gmlp::test::Bytes;
using gmlp::test::input_error;

namespace {

Image make_image(int64_t height, int64_t width, int64_t channels, const Bytes& bytes) {
  Image image;
  image.height = height;
  image.width = width;
  image.channels = channels;
  image.bytes = bytes;
  return image;
}

Image ramp(int64_t height, int64_t width) {
  Bytes bytes;
  for (int64_t i = 0; i < height * width; ++i) bytes.push_back(static_cast<uint8_t>(i % 251));
  return make_image(height, width, 1, bytes);
}

TransformOptions options_for(int64_t height, int64_t width, int64_t channels) {
  TransformOptions options;
  options.height = height;
  options.width = width;
  options.channels = channels;
  options.mean = {0};
  options.std = {1.0 / 255};  // the output is the byte
  return options;
}

std::vector<float> transform(const Image& image, const TransformOptions& options,
                             gmlp::Random* random = nullptr) {
  std::vector<float> out(static_cast<size_t>(options.channels * options.height * options.width));
  gmlp::transform_image(image, options, random, out.data());
  return out;
}

/// The bytes of a rectangle.
Bytes crop(const Image& image, const CropBox& box) {
  Bytes bytes;
  for (int64_t y = box.top; y < box.top + box.height; ++y) {
    const auto row = image.bytes.begin() + (y * image.width + box.left) * image.channels;
    bytes.insert(bytes.end(), row, row + box.width * image.channels);
  }
  return bytes;
}

const std::array<uint8_t, 3> kFill{7, 8, 9};

Bytes after(const char* operation, double value, Image image) {
  apply_operation(image, operation, value, kFill);
  return image.bytes;
}

}  // namespace

TEST_CASE("resizing to the same size changes nothing") {
  const Image image = ramp(5, 7);
  CHECK(resize_bicubic(image, 5, 7).bytes == image.bytes);
}

TEST_CASE("a constant image stays constant at any size") {
  const Image image = make_image(9, 6, 3, Bytes(9 * 6 * 3, 201));
  for (const int64_t size : {1, 2, 5, 6, 7, 13, 40}) {
    for (const uint8_t byte : resize_bicubic(image, size, size + 1).bytes) REQUIRE(byte == 201);
  }
}

TEST_CASE("halving weighs eight pixels by Catmull-Rom at quarter steps") {
  // In units of the stretched kernel, outputs are 0.25, 0.75, 1.25 and 1.75 from their eight
  // pixels: k(0.25) = 0.8671875, k(0.75) = 0.2265625, k(1.25) = -0.0703125, k(1.75) = -0.0234375,
  // sum 2.
  const Image image = make_image(1, 12, 1, {0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0});
  const Bytes out = resize_bicubic(image, 1, 6).bytes;
  // Pixel 5 (center 5.5) is 0.25 units from output 2 (center 5) and 0.75 from output 3 (center 7).
  CHECK(out == Bytes{0, 0, 87, 23, 0, 0});  // 86.7; 22.7; the negative lobes are clamped
}

TEST_CASE("doubling interpolates by Catmull-Rom at a quarter and three quarters") {
  // k(0.25) = 0.8671875, k(0.75) = 0.2265625, k(1.25) = -0.0703125, k(1.75) = -0.0234375, sum 1.
  const Image image = make_image(6, 1, 1, {100, 100, 100, 180, 100, 100});
  const Bytes out = resize_bicubic(image, 12, 1).bytes;
  const Bytes expected{100, 100, 100, 98, 94, 118, 169, 169, 118};
  CHECK(Bytes(out.begin(), out.begin() + 9) == expected);
  // The last but two lacks the pixel beyond the edge: the other weights share its -0.0234375.
  CHECK(out[9] == 95);  // 100 - 80 x 0.0703125 / 1.0234375 = 94.5
}

TEST_CASE("resizing a box ignores what is outside it") {
  Image image = make_image(6, 6, 1, Bytes(36, 255));
  for (size_t y = 1; y < 5; ++y) {
    for (size_t x = 2; x < 5; ++x) image.bytes[6 * y + x] = 50;
  }
  for (const uint8_t byte : resize_bicubic(image, 9, 2, {1, 2, 4, 3}).bytes) CHECK(byte == 50);
}

TEST_CASE("evaluation uses the center of the resized image") {
  CHECK(transform(ramp(2, 2), options_for(2, 2, 1)) == std::vector<float>{0, 1, 2, 3});
  // 4 x 8 to 4 x 4: no resize, columns 2..5.
  const std::vector<float> out = transform(ramp(4, 8), options_for(4, 4, 1));
  CHECK(out[0] == 2);
  CHECK(out[3] == 5);
  CHECK(out[4] == 10);
  TransformOptions options = options_for(4, 4, 1);
  options.crop_fraction = 0.5;  // to 8 x 8, the middle 4 x 4
  CHECK(transform(ramp(8, 8), options)[0] == 18);
}

TEST_CASE("a window of a resized image has the pixels of the whole one") {
  Image color = make_image(13, 29, 3, {});
  for (int64_t i = 0; i < 13 * 29 * 3; ++i) {
    color.bytes.push_back(static_cast<uint8_t>(i * i * 7 % 256));
  }
  for (const Image& image : {ramp(13, 29), color}) {
    for (const int64_t height : {1, 5, 13, 31}) {
      for (const int64_t width : {2, 17, 29, 64}) {
        const Image whole = resize_bicubic(image, height, width);
        const CropBox window = {height / 3, width / 4, (height + 1) / 2, (width + 1) / 2};
        const Image part = resize_bicubic(image, height, width, {}, window);
        REQUIRE(part.height == window.height);
        REQUIRE(part.width == window.width);
        CHECK(part.bytes == crop(whole, window));
      }
    }
  }
}

TEST_CASE("evaluation's image is the center of the whole resized one, for any shape") {
  TransformOptions options = options_for(8, 12, 1);
  options.crop_fraction = 0.875;  // 9 x 13
  for (const auto& [height, width, resized_height, resized_width] :
       std::vector<std::array<int64_t, 4>>{
           {40, 30, 17, 13}, {30, 90, 9, 27}, {5, 50, 9, 90}, {50, 3, 216, 13}, {9, 13, 9, 13}}) {
    INFO(height << " x " << width);
    const Image image = ramp(height, width);
    const Image whole = resize_bicubic(image, resized_height, resized_width);
    const auto middle = [](int64_t size) {
      return static_cast<int64_t>(std::nearbyint(static_cast<double>(size) / 2));
    };
    const Bytes bytes = crop(whole, {middle(whole.height - 8), middle(whole.width - 12), 8, 12});
    CHECK(transform(image, options) == std::vector<float>(bytes.begin(), bytes.end()));
  }
}

TEST_CASE("a picture of one row or column costs no more than its center") {
  TransformOptions options = options_for(224, 224, 3);
  options.crop_fraction = 0.875;
  const Image row = make_image(1, 16384, 3, Bytes(16384 * 3, 90));
  const Image column = make_image(16384, 1, 3, Bytes(16384 * 3, 90));
  const std::vector<float> flat(3 * 224 * 224, 90);
  const auto began = std::chrono::steady_clock::now();
  CHECK((transform(row, options) == flat));
  CHECK((transform(column, options) == flat));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  CHECK(seconds.count() < 5);  // it is milliseconds; in whole, seconds and gigabytes
}

TEST_CASE("evaluation's pixels are the same from a photograph and from what is kept of it") {
  Image photo = make_image(90, 131, 3, {});
  for (int64_t i = 0; i < 90 * 131 * 3; ++i) {
    photo.bytes.push_back(static_cast<uint8_t>(i * i % 253));
  }
  for (const int64_t channels : {1, 3}) {
    for (const auto& [height, width] : {std::pair{28, 28}, {64, 64}, {100, 100}, {24, 48}}) {
      TransformOptions options = options_for(height, width, channels);
      options.crop_fraction = 0.875;
      options.photo_side = 50;  // for training only
      const gmlp::PhotoForm form = gmlp::photo_form(options, false);
      CHECK(form.gray == (channels == 1));
      const Image kept = gmlp::shrink_photo(photo, form);
      CHECK((transform(kept, options) == transform(photo, options)));
      if (height == 64) CHECK(kept.height == 73);
    }
  }
  TransformOptions options = options_for(28, 28, 3);
  options.photo_side = 50;
  CHECK(gmlp::photo_form(options, true) == gmlp::PhotoForm{50, false});
}

TEST_CASE("color becomes gray before it is resized, as by Pillow's convert") {
  const Image color = make_image(1, 2, 3, {255, 0, 0, 0, 0, 255});
  const Image gray = gmlp::to_gray(color);
  CHECK(gray.bytes == Bytes{76, 29});
  CHECK(transform(color, options_for(4, 4, 1)) == transform(gray, options_for(4, 4, 1)));
}

TEST_CASE("gray is repeated, color is averaged by luma, values are normalized") {
  const Image gray = make_image(1, 1, 1, {51});
  CHECK(transform(gray, options_for(1, 1, 3)) == std::vector<float>{51, 51, 51});
  const Image color = make_image(1, 1, 3, {200, 100, 50});
  CHECK(transform(color, options_for(1, 1, 3)) == std::vector<float>{200, 100, 50});
  CHECK(transform(color, options_for(1, 1, 1)) == std::vector<float>{124});  // 59.8 + 58.7 + 5.7
  TransformOptions options = options_for(1, 1, 3);
  options.mean = {0.5, 0.25, 0};
  options.std = {0.5, 0.25, 2};
  const std::vector<float> out = transform(make_image(1, 1, 1, {255}), options);
  CHECK(out[0] == Approx(1));
  CHECK(out[1] == Approx(3));
  CHECK(out[2] == Approx(0.5));
}

TEST_CASE("floats are taken as they are and must have the model's size") {
  Image image;
  image.height = 1;
  image.width = 2;
  image.channels = 1;
  image.values = {0.25F, -3};
  CHECK(transform(image, options_for(1, 2, 1)) == image.values);
  CHECK(input_error([&] { transform(image, options_for(2, 2, 1)); }).find("not resized") !=
        std::string::npos);
}

TEST_CASE(
    "light augmentation shifts small images by at most an eighth and mirrors them if allowed") {
  const Image image = ramp(16, 15);
  TransformOptions options = options_for(16, 15, 1);
  options.augment = Augment::kLight;
  for (const bool flip : {false, true}) {
    options.flip = flip;
    std::set<float> centers;
    for (uint64_t sample = 0; sample < 300; ++sample) {
      gmlp::Random random(3, gmlp::Purpose::kAugment, 0, sample);
      const std::vector<float> out = transform(image, options, &random);
      const float step = out[8 * 15 + 8] - out[8 * 15 + 7];
      CHECK((step == 1 || (flip && step == -1)));
      centers.insert(out[8 * 15 + 7]);
    }
    CHECK(centers.size() ==
          5 * 3);  // -2..2 rows, -1..1 columns; the center column mirrors onto itself
  }
}

TEST_CASE("mirror augmentation is the evaluation's image, half of the time mirrored") {
  const Image image = ramp(16, 15);
  TransformOptions options = options_for(16, 15, 1);
  const std::vector<float> plain = transform(image, options);
  options.augment = Augment::kMirror;
  int mirrored = 0;
  for (uint64_t sample = 0; sample < 300; ++sample) {
    gmlp::Random random(3, gmlp::Purpose::kAugment, 0, sample);
    std::vector<float> out = transform(image, options, &random);
    if (out != plain) {
      for (int64_t y = 0; y < 16; ++y)
        std::reverse(out.begin() + y * 15, out.begin() + (y + 1) * 15);
      ++mirrored;
    }
    CHECK(out == plain);
  }
  CHECK(std::abs(mirrored - 150) < 45);
}

TEST_CASE("light augmentation crops large images and never leaves them") {
  TransformOptions options = options_for(8, 8, 1);
  options.augment = Augment::kLight;
  const Image image = make_image(40, 20, 1, Bytes(800, 77));
  for (uint64_t sample = 0; sample < 100; ++sample) {
    gmlp::Random random(3, gmlp::Purpose::kAugment, 0, sample);
    for (const float value : transform(image, options, &random)) REQUIRE(value == 77);
  }
}

TEST_CASE("the random crop keeps the share of the area and the ratio that the options say") {
  // A picture whose pixels tell their place: red is the column, green the row.
  Bytes bytes;
  for (int i = 0; i < 200 * 200; ++i) {
    for (const int value : {i % 200, i / 200, 0}) bytes.push_back(static_cast<uint8_t>(value));
  }
  const Image image = make_image(200, 200, 3, bytes);
  TransformOptions options = options_for(50, 50, 3);
  options.augment = Augment::kLight;
  options.flip = false;
  options.scale = {0.1, 0.3};
  options.ratio = {2, 3};
  double smallest = 1, largest = 0;
  for (uint64_t sample = 0; sample < 300; ++sample) {
    gmlp::Random random(1, gmlp::Purpose::kAugment, 0, sample);
    const std::vector<float> out = transform(image, options, &random);
    // The first and last pixel of a row, which are 49/50 of the box apart.
    const double width = (out[49] - out[0]) * 50 / 49.0;
    const double height = (out[2500 + 49 * 50] - out[2500]) * 50 / 49.0;
    CHECK(width / height == Approx(2.5).margin(0.6));
    smallest = std::min(smallest, width * height / 40000);
    largest = std::max(largest, width * height / 40000);
  }
  CHECK(smallest == Approx(0.1).margin(0.01));
  CHECK(largest == Approx(0.3).margin(0.02));
}

TEST_CASE("AutoAugment's pixel operations have PIL's values") {
  const Image image = make_image(1, 4, 1, {0, 100, 130, 200});
  CHECK(after("Invert", 0, image) == Bytes{255, 155, 125, 55});
  CHECK(after("Solarize", 128, image) == Bytes{0, 100, 125, 55});
  CHECK(after("Posterize", 4, image) == Bytes{0, 96, 128, 192});
  CHECK(after("AutoContrast", 0, make_image(1, 3, 1, {50, 100, 150})) == Bytes{0, 128, 255});
  CHECK(after("Contrast", 0, make_image(1, 2, 1, {100, 110})) == Bytes{105, 105});
  CHECK(after("Color", 0, make_image(1, 1, 3, {200, 100, 50})) == Bytes{124, 124, 124});
  CHECK(after("Color", 1, make_image(1, 1, 3, {200, 100, 50})) == Bytes{200, 100, 50});
  Image dot = make_image(3, 3, 1, Bytes(9, 13));
  dot.bytes[4] = 26;
  CHECK(after("Sharpness", 0, dot)[4] == 18);  // (8 x 13 + 5 x 26) / 13
}

TEST_CASE("equalize makes the bytes equally frequent") {
  Bytes bytes;
  for (int i = 0; i < 1024; ++i)
    bytes.push_back(static_cast<uint8_t>(i < 512 ? i % 4 : 100 + i % 2));
  const Bytes out = after("Equalize", 0, make_image(32, 32, 1, bytes));
  // step = (1024 - 256) / 255 = 3; byte b becomes (1 + pixels below b) / 3.
  CHECK(out[0] == 0);
  CHECK(out[1] == 43);
  CHECK(out[3] == 128);
  CHECK(out[600] == 171);
  CHECK(out[601] == 255);  // 256.3, clamped
}

TEST_CASE("AutoAugment's geometric operations move pixels and fill with the given color") {
  const Image image = make_image(2, 4, 1, {1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(after("Rotate", 180, image) == Bytes{8, 7, 6, 5, 4, 3, 2, 1});
  CHECK(after("Rotate", 0, image) == image.bytes);
  const Image tall = make_image(3, 3, 1, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(after("ShearX", 1, tall) == Bytes{7, 1, 2, 4, 5, 6, 8, 9, 7});
}

TEST_CASE("autoaugment depends on its random numbers only and changes most images") {
  const Image image = ramp(16, 16);
  TransformOptions options = options_for(16, 16, 1);
  options.augment = Augment::kAutoAugment;
  const std::vector<float> plain = transform(image, options);
  int changed = 0;
  for (uint64_t sample = 0; sample < 200; ++sample) {
    gmlp::Random first(5, gmlp::Purpose::kAugment, 1, sample);
    gmlp::Random second(5, gmlp::Purpose::kAugment, 1, sample);
    const std::vector<float> out = transform(image, options, &first);
    REQUIRE(out == transform(image, options, &second));
    changed += out == plain ? 0 : 1;
  }
  CHECK(changed > 150);
  CHECK_THROWS_AS(gmlp::kAugments.from_name("heavy"), gmlp::InputError);
}
