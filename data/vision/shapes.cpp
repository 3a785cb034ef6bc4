// Shapes: 32 x 32 pictures that the program draws, for trying things out where no data are. Eight
// classes (circle, square, triangle, cross, each filled or outlined) at any place, size, angle and
// colour, on noise, with a stroke or two across as a distraction. A shape is a signed distance:
// negative inside.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>

#include "core/parallel.h"
#include "core/random.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kChannels = 3;
constexpr int64_t kTrain = 8000;
constexpr int64_t kVal = 2000;

enum class Figure : uint8_t { kCircle, kSquare, kTriangle, kCross };

/// Distance in pixels from (x, y) to the outline of a figure of radius r around the origin.
double distance(Figure figure, double x, double y, double r) {
  const double ax = std::abs(x);
  const double ay = std::abs(y);
  switch (figure) {
    case Figure::kCircle:
      return std::hypot(x, y) - r;
    case Figure::kSquare:
      return std::max(ax, ay) - 0.85 * r;
    case Figure::kTriangle: {
      const double slanted = ax * std::numbers::sqrt3 / 2 - y / 2;
      return std::max(slanted, y) - 0.6 * r;
    }
    case Figure::kCross: {
      const double bar = r / 3;
      return std::min(std::max(ax - r, ay - bar), std::max(ay - r, ax - bar));
    }
  }
  return r;
}

/// How much of a pixel is covered, from its distance to the edge.
double coverage(double distance) {
  return std::clamp(0.5 - distance, 0.0, 1.0);
}

using Color = std::array<double, 3>;

/// Red, green and blue in 0..255.
Color draw_color(Random& random) {
  return {random.uniform(0, 255), random.uniform(0, 255), random.uniform(0, 255)};
}

/// What is drawn, all of it random but the class.
struct Scene {
  Figure figure = Figure::kCircle;
  bool outlined = false;
  double x = 0, y = 0, radius = 0, cosine = 1, sine = 0;
  double line_angle = 0, line_offset = 0;
  double noise = 0;
  Color paper{};
  Color ink{};
};

Scene draw_scene(int64_t label, Random& random) {
  Scene scene;
  scene.figure = static_cast<Figure>(label / 2);
  scene.outlined = label % 2 == 1;
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
  scene.paper = draw_color(random);
  double contrast = 0;
  while (contrast < 120) {  // summed over the colours
    scene.ink = draw_color(random);
    contrast = 0;
    for (size_t c = 0; c < 3; ++c) contrast += std::abs(scene.ink[c] - scene.paper[c]);
  }
  return scene;
}

/// The ink's share of the pixel at (column, row).
double ink_at(const Scene& scene, int64_t column, int64_t row) {
  const double dx = static_cast<double>(column) + 0.5 - scene.x;
  const double dy = static_cast<double>(row) + 0.5 - scene.y;
  const double x = scene.cosine * dx + scene.sine * dy;
  const double y = scene.cosine * dy - scene.sine * dx;
  double edge = distance(scene.figure, x, y, scene.radius);
  constexpr double kStroke = 0.9;  // half of an outline's width
  if (scene.outlined) edge = std::abs(edge) - kStroke;
  const double across = std::cos(scene.line_angle) * (static_cast<double>(column) - 16) +
                        std::sin(scene.line_angle) * (static_cast<double>(row) - 16);
  const double line = coverage(std::abs(across - scene.line_offset) - 0.4);
  return std::max(coverage(edge), 0.6 * line);
}

/// Ink over paper, and noise on both.
void paint(const Scene& scene, Random& random, uint8_t* out) {
  for (int64_t row = 0; row < kSide; ++row) {
    for (int64_t column = 0; column < kSide; ++column) {
      const double ink = ink_at(scene, column, row);
      const uint32_t bits = random.next_u32();  // a byte of noise a colour
      for (size_t c = 0; c < 3; ++c) {
        const double noise = (static_cast<double>(bits >> (8 * c) & 255) / 127.5 - 1) * scene.noise;
        const double value = ink * scene.ink[c] + (1 - ink) * scene.paper[c] + noise;
        *out++ = static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
}

/// `part` tells training (0) from validation (1). The pictures do not depend on the run's seed, so
/// that runs can be compared.
std::shared_ptr<MemoryImages> draw_part(int64_t count, uint64_t part) {
  std::shared_ptr<MemoryImages> images = std::make_shared<MemoryImages>();
  images->height = kSide;
  images->width = kSide;
  images->channels = kChannels;
  for (const char* figure : {"circle", "square", "triangle", "cross"}) {
    images->names.push_back(figure);
    images->names.push_back(std::string(figure) + " outline");
  }
  constexpr int64_t kSize = kSide * kSide * kChannels;
  images->bytes.resize(static_cast<size_t>(count * kSize));
  images->labels.resize(static_cast<size_t>(count));
  parallel_ranges(count, 100, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Random random(0, Purpose::kShapes, part, static_cast<uint64_t>(i));
      const int64_t label = i % static_cast<int64_t>(images->names.size());
      images->labels[static_cast<size_t>(i)] = label;
      paint(draw_scene(label, random), random, images->bytes.data() + i * kSize);
    }
  });
  return images;
}

}  // namespace

DataSplits open_shapes() {
  DataSplits splits;
  splits.name = "shapes";
  splits.train = draw_part(kTrain, 0);
  splits.val = draw_part(kVal, 1);
  return splits;
}

}  // namespace gmlp
