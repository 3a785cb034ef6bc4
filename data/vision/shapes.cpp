// Shapes: 32 x 32 images that the program draws, for trials without data. Eight classes (circle,
// square, triangle, cross, each filled or outlined) of random position, size, angle and color, on
// noise, with a line across as a distraction. A shape is a signed distance, negative inside.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>

#include "core/random.h"
#include "data/vision/dataset.h"

namespace gmlp {
namespace {

constexpr int64_t kShapesSide = 32;

/// Distance in pixels from (x, y) to the outline of a figure of radius r around the origin: circle,
/// square, triangle, cross.
double distance(int64_t figure, double x, double y, double r) {
  const double ax = std::abs(x), ay = std::abs(y);
  if (figure == 0) return std::hypot(x, y) - r;
  if (figure == 1) return std::max(ax, ay) - 0.85 * r;
  if (figure == 2) return std::max(ax * std::numbers::sqrt3 / 2 - y / 2, y) - 0.6 * r;
  const double bar = r / 3;
  return std::min(std::max(ax - r, ay - bar), std::max(ay - r, ax - bar));
}

/// The covered fraction of a pixel, from its distance to the edge.
double coverage(double distance) {
  return std::clamp(0.5 - distance, 0.0, 1.0);
}

using Color = std::array<double, 3>;  // red, green and blue in 0..255

Color draw_color(Random& random) {
  return {random.uniform(0, 255), random.uniform(0, 255), random.uniform(0, 255)};
}

/// Draws one image of a class: the shape and the line over the background, and noise on all.
Image draw_image(int64_t label, Random random) {
  const double radius = random.uniform(5, 11);
  const double center_x = random.uniform(0.8 * radius, kShapesSide - 0.8 * radius);
  const double center_y = random.uniform(0.8 * radius, kShapesSide - 0.8 * radius);
  const double angle = random.uniform(-0.5, 0.5);  // a square stays a square, not a diamond
  const double cosine = std::cos(angle), sine = std::sin(angle);
  const double line_angle = random.uniform(0, std::numbers::pi);
  const double line_cosine = std::cos(line_angle), line_sine = std::sin(line_angle);
  const double line_offset = random.uniform(-20, 20);
  const double noise = random.uniform(10, 60);
  const Color background = draw_color(random);
  Color ink = background;
  const auto difference = [](double a, double b) { return std::abs(a - b); };
  while (std::inner_product(ink.begin(), ink.end(), background.begin(), 0.0, std::plus<>(),
                            difference) < 120) {
    ink = draw_color(random);
  }

  Image image = Image::of_bytes(kShapesSide, kShapesSide, 3);
  uint8_t* out = image.bytes.data();
  for (int64_t i = 0; i < kShapesSide * kShapesSide; ++i) {
    const int64_t y = i / kShapesSide;
    const double row = static_cast<double>(y);
    const double column = static_cast<double>(i - y * kShapesSide);
    const double dx = column + 0.5 - center_x, dy = row + 0.5 - center_y;
    double edge = distance(label / 2, cosine * dx + sine * dy, cosine * dy - sine * dx, radius);
    constexpr double kHalfStroke = 0.9;
    if (label % 2 == 1) edge = std::abs(edge) - kHalfStroke;  // outlined
    const double across = line_cosine * (column - 16) + line_sine * (row - 16);
    const double line = coverage(std::abs(across - line_offset) - 0.4);
    const double share = std::max(coverage(edge), 0.6 * line);  // of the ink
    const uint32_t bits = random.next_u32();                    // one byte of noise per color
    for (size_t c = 0; c < 3; ++c) {
      const double grain = (static_cast<double>(bits >> (8 * c) & 255) / 127.5 - 1) * noise;
      const double value = share * ink[c] + (1 - share) * background[c] + grain;
      *out++ = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
    }
  }
  return image;
}

}  // namespace

DataSplits open_shapes() {
  // Runs of all seeds get the same images, to be comparable.
  const auto split = [](int64_t count, uint64_t number) {
    auto set = std::make_shared<ImageDataset>();
    set->class_names = {"circle",   "circle outline",   "square", "square outline",
                        "triangle", "triangle outline", "cross",  "cross outline"};
    for (int64_t i = 0; i < count; ++i) set->labels.push_back(i % 8);
    set->decode = [number](int64_t index, const PhotoForm&) {
      const Random random(0, Purpose::kShapes, number, static_cast<uint64_t>(index));
      return draw_image(index % 8, random);
    };
    return set;
  };
  return {.name = "shapes", .train = split(8000, 0), .val = split(2000, 1)};
}

}  // namespace gmlp
