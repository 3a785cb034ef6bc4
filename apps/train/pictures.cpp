#include "apps/train/pictures.h"

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
// It asserts that memory was allocated.
#define STBIW_ASSERT(holds) ((holds) ? void() : throw std::bad_alloc())
#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <string_view>

#include <stb/stb_image_write.h>

namespace gmlp {

namespace {

using Color = std::array<double, 3>;  // each in [0, 1]

unsigned char byte_of(double value) {
  return static_cast<unsigned char>(std::lround(255 * value));
}

using Plane = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The mean color of cell (y, x) when the image is divided into rows x columns.
Color mean_color(const Tensor& image, int64_t rows, int64_t columns, int64_t y, int64_t x) {
  const int64_t channels = image.shape()[0], height = image.shape()[1], width = image.shape()[2];
  const int64_t top = y * height / rows, left = x * width / columns;
  const int64_t cell_height = std::max<int64_t>(1, (y + 1) * height / rows - top);
  const int64_t cell_width = std::max<int64_t>(1, (x + 1) * width / columns - left);
  Color color{};
  for (int64_t c = 0; c < 3; ++c) {
    const float* data = image.data<float>() + std::min(c, channels - 1) * height * width;
    const Eigen::Map<const Plane> plane(data, height, width);
    const double mean = plane.block(top, left, cell_height, cell_width).cast<double>().mean();
    color[static_cast<size_t>(c)] = std::clamp(mean / 2 + 0.5, 0.0, 1.0);
  }
  return color;
}

/// One character for two pixels: a half block with the upper one as foreground and the lower one as
/// background, or a shade of their mean gray.
std::string character_for(const Color& upper, const Color& lower, bool colors) {
  if (colors) {
    const auto rgb = [](const Color& c) {
      return fmt::format("2;{};{};{}m", byte_of(c[0]), byte_of(c[1]), byte_of(c[2]));
    };
    return "\033[38;" + rgb(upper) + "\033[48;" + rgb(lower) + "▀";
  }
  constexpr std::string_view kShades = " .:-=+*#%@";
  const auto gray = [](const Color& c) { return 0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2]; };
  const double mean = (gray(upper) + gray(lower)) / 2;
  const size_t shade = static_cast<size_t>(mean * static_cast<double>(kShades.size()));
  return {kShades[std::min(shade, kShades.size() - 1)]};
}

// PNG files.

/// `value` in [-1, 1] from blue over white to red.
Color signed_color(double value) {
  constexpr Color kPositive = {178 / 255.0, 24 / 255.0, 43 / 255.0};
  constexpr Color kNegative = {33 / 255.0, 102 / 255.0, 172 / 255.0};
  const Color& end = value < 0 ? kNegative : kPositive;
  const double share = std::isfinite(value) ? std::min(std::abs(value), 1.0) : 1.0;
  Color color;
  for (size_t c = 0; c < 3; ++c) color[c] = 1 + share * (end[c] - 1);
  return color;
}

/// W from token `skip` on, where 1 is the magnitude that 99 % of the weights do not reach: the
/// largest few would leave the rest pale.
Matrix scaled_weights(const Tensor& weight, int64_t skip) {
  const int64_t n = weight.shape()[0];
  const Eigen::Map<const Matrix> all(weight.data<double>(), n, n);
  const auto shown = all.bottomRightCorner(n - skip, n - skip);
  Matrix magnitudes = shown.cwiseAbs();
  double* place = magnitudes.data() + magnitudes.size() * 99 / 100;
  std::nth_element(magnitudes.data(), place, magnitudes.data() + magnitudes.size());
  return shown / (*place > 0 ? *place : 1);
}

/// A PNG of matrices of one size, `per_line` side by side, with a black frame around element
/// `framed[i]` of cell i, counted by rows. An element has at least one pixel unless the matrix is
/// larger than `most_pixels`.
std::string draw_cells(const std::vector<Matrix>& cells, const std::vector<int64_t>& framed,
                       int64_t per_line, int64_t most_pixels) {
  constexpr int64_t kGap = 4;
  constexpr unsigned char kGapGray = 90;
  const int64_t rows = cells.front().rows(), columns = cells.front().cols();
  const int64_t zoom = std::max<int64_t>(1, most_pixels / std::max(rows, columns));
  const int64_t height = zoom * std::min(rows, most_pixels);
  const int64_t width = zoom * std::min(columns, most_pixels);
  const int64_t lines = (std::ssize(cells) + per_line - 1) / per_line;
  const int64_t total_width = per_line * (width + kGap) + kGap;
  const int64_t total_height = lines * (height + kGap) + kGap;
  std::vector<unsigned char> rgb(static_cast<size_t>(total_width * total_height * 3), kGapGray);
  for (size_t i = 0; i < cells.size(); ++i) {
    const int64_t top = kGap + static_cast<int64_t>(i) / per_line * (height + kGap);
    const int64_t left = kGap + static_cast<int64_t>(i) % per_line * (width + kGap);
    for (int64_t pixel = 0; pixel < height * width; ++pixel) {
      const int64_t y = pixel / width, x = pixel % width;
      const int64_t row = y * rows / height, column = x * columns / width;
      const bool edge =
          y % zoom == 0 || x % zoom == 0 || (y + 1) % zoom == 0 || (x + 1) % zoom == 0;
      const bool black = edge && i < framed.size() && row * columns + column == framed[i];
      const Color color = black ? Color{} : signed_color(cells[i](row, column));
      std::transform(color.begin(), color.end(),
                     rgb.begin() + ((top + y) * total_width + left + x) * 3, byte_of);
    }
  }
  return encode_png(rgb.data(), total_height, total_width, 3);
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

std::vector<Tensor> spatial_weights(const std::vector<Parameter*>& parameters,
                                    const BlockConfig& block) {
  const int64_t n = block.tokens;
  std::vector<Tensor> weights;
  for (const Parameter* parameter : parameters) {
    if (!parameter->name.ends_with("gate.proj.weight")) continue;
    const Tensor whole = Tensor::zeros(DType::kF64, {n, n});
    for (int64_t i = 0; i < n * n; ++i) {
      const int64_t place = block.toeplitz ? (n - 1) + i % n - i / n : i;
      if (!block.causal || i % n <= i / n) whole.data<double>()[i] = parameter->value.at(place);
    }
    weights.push_back(whole);
  }
  return weights;
}

std::string encode_png(const uint8_t* pixels, int64_t height, int64_t width, int64_t channels) {
  std::string png;
  const auto append = [](void* context, void* data, int size) {
    static_cast<std::string*>(context)->append(static_cast<const char*>(data),
                                               static_cast<size_t>(size));
  };
  const int done = stbi_write_png_to_func(append, &png, static_cast<int>(width),
                                          static_cast<int>(height), static_cast<int>(channels),
                                          pixels, static_cast<int>(width * channels));
  if (done == 0) fail_run("a picture could not be encoded as PNG");
  return png;
}

std::string draw_thumbnails(const std::vector<Thumbnail>& pictures, bool colors) {
  constexpr int64_t kTerminalColumns = 80;
  constexpr int64_t kMostColumns = 24;  // per picture
  const std::string gap = "  ";
  if (pictures.empty()) return "";
  const int64_t columns = std::min(kMostColumns, kTerminalColumns / std::ssize(pictures) - 2);
  const Shape& shape = pictures.front().image.shape();
  // A character is about twice as high as wide.
  const int64_t lines = std::clamp<int64_t>(columns * shape[1] / (2 * shape[2]), 1, columns);
  std::string text;
  for (int64_t line = 0; line < lines; ++line) {
    for (const Thumbnail& picture : pictures) {
      text += gap;
      for (int64_t x = 0; x < columns; ++x) {
        text +=
            character_for(mean_color(picture.image, 2 * lines, columns, 2 * line, x),
                          mean_color(picture.image, 2 * lines, columns, 2 * line + 1, x), colors);
      }
      if (colors) text += "\033[0m";
    }
    text += "\n";
  }
  for (const Thumbnail& picture : pictures) {
    text += gap + fmt::format("{0:<{1}.{1}}", picture.label, columns);
  }
  return text + "\n";
}

std::string draw_filters(const std::vector<Tensor>& layers, int64_t grid_height, int64_t grid_width,
                         int64_t skip) {
  constexpr int64_t kMostShown = 7;
  const std::vector<int64_t> tokens = spread_indices(grid_height * grid_width, kMostShown);
  std::vector<Matrix> cells;
  std::vector<int64_t> framed;
  for (const int64_t layer : spread_indices(std::ssize(layers), kMostShown)) {
    const Matrix weights = scaled_weights(layers[static_cast<size_t>(layer)], skip);
    require(weights.rows() == grid_height * grid_width, "draw_filters: weights of another grid");
    for (const int64_t token : tokens) {
      cells.push_back(weights.row(token).reshaped<Eigen::RowMajor>(grid_height, grid_width));
      framed.push_back(token);
    }
  }
  return draw_cells(cells, framed, std::ssize(tokens), 84);
}

std::string draw_heat_maps(const std::vector<Tensor>& layers) {
  std::vector<Matrix> cells;
  for (const int64_t layer : spread_indices(std::ssize(layers), 16)) {
    cells.push_back(scaled_weights(layers[static_cast<size_t>(layer)], 0));
  }
  return draw_cells(cells, {}, std::min<int64_t>(std::ssize(cells), 4), 192);
}

}  // namespace gmlp
