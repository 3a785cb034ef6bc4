#include "apps/train/filters.h"

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <algorithm>
#include <cmath>

#include <stb/stb_image_write.h>

#include "core/error.h"

namespace gmlp {

namespace {

constexpr int64_t kMostShown = 7;  // layers, and tokens
// A cell is upscaled by the whole factor that comes nearest below.
constexpr int64_t kCellPixels = 84;
constexpr int64_t kGap = 4;               // between cells
constexpr unsigned char kSeparator = 90;  // its grey
constexpr int64_t kFrame = 1;             // around the token's own patch
// Heat maps: of so many layers, so many a row, of about so many pixels.
constexpr int64_t kMostMaps = 16;
constexpr int64_t kMapsARow = 4;
constexpr int64_t kMapPixels = 192;

/// t in [-1, 1] to a colour: blue, white, red.
void put_colour(double t, unsigned char* rgb) {
  constexpr double kPositive[3] = {178, 24, 43};
  constexpr double kNegative[3] = {33, 102, 172};
  const double* end = t < 0 ? kNegative : kPositive;
  const double share = std::isfinite(t) ? std::min(std::abs(t), 1.0) : 1.0;
  for (int c = 0; c < 3; ++c) {
    rgb[c] = static_cast<unsigned char>(std::lround(255 + share * (end[c] - 255)));
  }
}

/// The magnitude that 99 % of the weights stay below: a few extremes would leave the rest pale.
double colour_scale(const Tensor& weight, int64_t skip) {
  const int64_t n = weight.shape()[0];
  std::vector<double> magnitudes;
  for (int64_t i = skip; i < n; ++i) {
    for (int64_t j = skip; j < n; ++j) magnitudes.push_back(std::abs(weight.at(i * n + j)));
  }
  const auto place = magnitudes.begin() + static_cast<int64_t>(magnitudes.size()) * 99 / 100;
  std::nth_element(magnitudes.begin(), place, magnitudes.end());
  return *place > 0 ? *place : 1;
}

/// Whether pixel (y, x) lies on the frame, `kFrame` wide, of a patch of scale x scale pixels.
bool on_frame(int64_t y, int64_t x, int64_t scale) {
  return std::min({y, x, scale - 1 - y, scale - 1 - x}) < kFrame;
}

void append_bytes(void* context, void* data, int size) {
  static_cast<std::string*>(context)->append(static_cast<const char*>(data),
                                             static_cast<size_t>(size));
}

void draw_map(const Tensor& weight, int64_t top, int64_t left, int64_t pixels, Picture& picture) {
  const int64_t n = weight.shape()[0];
  const double largest = colour_scale(weight, 0);
  for (int64_t y = 0; y < pixels; ++y) {
    for (int64_t x = 0; x < pixels; ++x) {
      const int64_t pixel = (top + y) * picture.width + left + x;
      const double value = weight.at(y * n / pixels * n + x * n / pixels);
      put_colour(value / largest, &picture.rgb[static_cast<size_t>(pixel * 3)]);
    }
  }
}

}  // namespace

std::vector<int64_t> spread_indices(int64_t n, int64_t most) {
  std::vector<int64_t> chosen;
  const int64_t count = std::min(n, most);
  for (int64_t i = 0; i < count; ++i) {
    chosen.push_back(count == 1 ? 0 : (i * (n - 1) + (count - 1) / 2) / (count - 1));
  }
  return chosen;
}

Picture draw_heat_maps(const std::vector<SpatialFilter>& layers) {
  const std::vector<int64_t> chosen =
      spread_indices(static_cast<int64_t>(layers.size()), kMostMaps);
  const int64_t count = static_cast<int64_t>(chosen.size());
  const int64_t n = layers.front().weight.shape()[0];
  const int64_t side = std::max<int64_t>(1, kMapPixels / n) * std::min(n, kMapPixels);
  const int64_t columns = std::min(count, kMapsARow);
  Picture picture;
  picture.width = columns * (side + kGap) + kGap;
  picture.height = (count + columns - 1) / columns * (side + kGap) + kGap;
  picture.rgb.assign(static_cast<size_t>(picture.width * picture.height * 3), kSeparator);
  for (int64_t i = 0; i < count; ++i) {
    const Tensor& weight = layers[static_cast<size_t>(chosen[static_cast<size_t>(i)])].weight;
    draw_map(weight, kGap + i / columns * (side + kGap), kGap + i % columns * (side + kGap), side,
             picture);
  }
  return picture;
}

Picture draw_filters(const std::vector<SpatialFilter>& layers, int64_t grid_height,
                     int64_t grid_width, int64_t skip) {
  const int64_t tokens = grid_height * grid_width;
  const std::vector<int64_t> rows = spread_indices(static_cast<int64_t>(layers.size()), kMostShown);
  const std::vector<int64_t> columns = spread_indices(tokens, kMostShown);
  const int64_t scale = std::max<int64_t>(1, kCellPixels / std::max(grid_height, grid_width));
  const int64_t cell_height = grid_height * scale + kGap;
  const int64_t cell_width = grid_width * scale + kGap;

  Picture picture;
  picture.width = static_cast<int64_t>(columns.size()) * cell_width + kGap;
  picture.height = static_cast<int64_t>(rows.size()) * cell_height + kGap;
  picture.rgb.assign(static_cast<size_t>(picture.width * picture.height * 3), kSeparator);

  for (size_t r = 0; r < rows.size(); ++r) {
    const Tensor& weight = layers[static_cast<size_t>(rows[r])].weight;
    const int64_t n = weight.shape()[0];
    require(n == tokens + skip, "draw_filters: weights of another grid");
    const double largest = colour_scale(weight, skip);
    for (size_t c = 0; c < columns.size(); ++c) {
      const int64_t top = kGap + static_cast<int64_t>(r) * cell_height;
      const int64_t left = kGap + static_cast<int64_t>(c) * cell_width;
      const int64_t first = (columns[c] + skip) * n + skip;  // the token's row, behind the skipped
      for (int64_t y = 0; y < grid_height * scale; ++y) {
        for (int64_t x = 0; x < grid_width * scale; ++x) {
          const int64_t patch = y / scale * grid_width + x / scale;
          const int64_t pixel = (top + y) * picture.width + left + x;
          unsigned char* rgb = &picture.rgb[static_cast<size_t>(pixel * 3)];
          put_colour(weight.at(first + patch) / largest, rgb);
          if (patch == columns[c] && on_frame(y % scale, x % scale, scale))
            rgb[0] = rgb[1] = rgb[2] = 0;
        }
      }
    }
  }
  return picture;
}

std::string to_png(const Picture& picture) {
  std::string bytes;
  const int width = static_cast<int>(picture.width);
  const int height = static_cast<int>(picture.height);
  const int done =
      stbi_write_png_to_func(append_bytes, &bytes, width, height, 3, picture.rgb.data(), width * 3);
  if (done == 0) fail_run("filters.png: the picture could not be encoded");
  return bytes;
}

}  // namespace gmlp
