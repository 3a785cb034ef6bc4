// Shapes: 32 x 32 images that the program draws, for trials without data. Eight classes (circle,
// square, triangle, cross, each filled or outlined) of random position, size, angle and color, on
// noise, with a line across as a distraction. A shape is a signed distance, negative inside.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "core/parallel.h"
#include "core/random.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

constexpr int64_t kSide = 32;

/// Distance in pixels from (x, y) to the outline of a figure of radius r around the origin: circle,
/// square, triangle, cross.
double distance(int64_t figure, double x, double y, double r) {
  const double ax = std::abs(x);
  const double ay = std::abs(y);
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

using Color = std::array<double, 3>;

/// Red, green and blue in 0..255.
Color draw_color(Random& random) {
  return {random.uniform(0, 255), random.uniform(0, 255), random.uniform(0, 255)};
}

/// All of it random but the class.
struct Scene {
  int64_t label = 0;
  double x = 0, y = 0, radius = 0, cosine = 1, sine = 0;
  double line_angle = 0, line_offset = 0;
  double noise = 0;
  Color background{};
  Color ink{};
};

Scene draw_scene(int64_t label, Random& random) {
  Scene scene;
  scene.label = label;
  scene.radius = random.uniform(5, 11);
  const double margin = scene.radius * 0.8;
  scene.x = random.uniform(margin, kSide - margin);
  scene.y = random.uniform(margin, kSide - margin);
  const double angle = random.uniform(-0.5, 0.5);  // a square stays a square, not a diamond
  scene.cosine = std::cos(angle);
  scene.sine = std::sin(angle);
  scene.line_angle = random.uniform(0, std::numbers::pi);
  scene.line_offset = random.uniform(-20, 20);
  scene.noise = random.uniform(10, 60);
  scene.background = draw_color(random);
  double contrast = 0;
  while (contrast < 120) {  // summed over the colors
    scene.ink = draw_color(random);
    contrast = 0;
    for (size_t c = 0; c < 3; ++c) contrast += std::abs(scene.ink[c] - scene.background[c]);
  }
  return scene;
}

/// The ink's share of the pixel at (column, row).
double ink_at(const Scene& scene, int64_t column, int64_t row) {
  const double dx = static_cast<double>(column) + 0.5 - scene.x;
  const double dy = static_cast<double>(row) + 0.5 - scene.y;
  const double x = scene.cosine * dx + scene.sine * dy;
  const double y = scene.cosine * dy - scene.sine * dx;
  double edge = distance(scene.label / 2, x, y, scene.radius);
  constexpr double kHalfStroke = 0.9;
  const bool outlined = scene.label % 2 == 1;
  if (outlined) edge = std::abs(edge) - kHalfStroke;
  const double across = std::cos(scene.line_angle) * (static_cast<double>(column) - 16) +
                        std::sin(scene.line_angle) * (static_cast<double>(row) - 16);
  const double line = coverage(std::abs(across - scene.line_offset) - 0.4);
  return std::max(coverage(edge), 0.6 * line);
}

/// Ink over the background, and noise on both.
void paint(const Scene& scene, Random& random, uint8_t* out) {
  for (int64_t row = 0; row < kSide; ++row) {
    for (int64_t column = 0; column < kSide; ++column) {
      const double ink = ink_at(scene, column, row);
      const uint32_t bits = random.next_u32();  // one byte of noise per color
      for (size_t c = 0; c < 3; ++c) {
        const double noise = (static_cast<double>(bits >> (8 * c) & 255) / 127.5 - 1) * scene.noise;
        const double value = ink * scene.ink[c] + (1 - ink) * scene.background[c] + noise;
        *out++ = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
}

/// `split` is 0 for training and 1 for validation. The images do not depend on the run's seed, so
/// that runs can be compared.
MemoryImages draw_split(int64_t count, uint64_t split) {
  MemoryImages images{kSide,
                      kSide,
                      3,
                      {},
                      {},
                      {},
                      {"circle", "circle outline", "square", "square outline", "triangle",
                       "triangle outline", "cross", "cross outline"}};
  images.bytes.resize(static_cast<size_t>(count * images.image_size()));
  for (int64_t i = 0; i < count; ++i) images.labels.push_back(i % 8);
  parallel_ranges(count, 100, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Random random(0, Purpose::kShapes, split, static_cast<uint64_t>(i));
      paint(draw_scene(i % 8, random), random, images.bytes.data() + i * images.image_size());
    }
  });
  return images;
}

}  // namespace

DataSplits open_shapes() {
  return make_splits("shapes", "shapes", draw_split(8000, 0), draw_split(2000, 1));
}

}  // namespace gmlp
