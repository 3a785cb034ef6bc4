#include "apps/train/thumbnails.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace gmlp {

namespace {

constexpr int64_t kTerminalColumns = 80;
constexpr int64_t kThumbnailGap = 2;
constexpr int64_t kMostColumns = 24;  // of one picture
constexpr const char* kShades = " .:-=+*#%@";
constexpr int64_t kShadeCount = 10;

struct Colour {
  double channel[3];
  double grey() const { return 0.299 * channel[0] + 0.587 * channel[1] + 0.114 * channel[2]; }
};

/// The mean over the image's rectangle that pixel (y, x) of a rows x columns picture stands for; in
/// [0, 1].
Colour shrink(const Tensor& image, int64_t rows, int64_t columns, int64_t y, int64_t x) {
  const int64_t channels = image.shape()[0];
  const int64_t height = image.shape()[1];
  const int64_t width = image.shape()[2];
  const int64_t top = y * height / rows;
  const int64_t bottom = std::max(top + 1, (y + 1) * height / rows);
  const int64_t left = x * width / columns;
  const int64_t right = std::max(left + 1, (x + 1) * width / columns);
  Colour colour{};
  for (int64_t c = 0; c < 3; ++c) {
    const int64_t plane = std::min(c, channels - 1) * height * width;
    double sum = 0;
    for (int64_t i = top; i < bottom; ++i) {
      for (int64_t j = left; j < right; ++j) sum += image.at(plane + i * width + j);
    }
    const double mean = sum / static_cast<double>((bottom - top) * (right - left));
    colour.channel[c] = std::clamp(mean / 2 + 0.5, 0.0, 1.0);
  }
  return colour;
}

int level(double value) {
  return static_cast<int>(std::lround(255 * value));
}

/// Line `line` of a picture: a half block shows the upper pixel as foreground, the lower as
/// background.
std::string picture_line(const Tensor& image, int64_t lines, int64_t columns, int64_t line,
                         bool colours) {
  std::string out;
  for (int64_t x = 0; x < columns; ++x) {
    if (colours) {
      const Colour a = shrink(image, 2 * lines, columns, 2 * line, x);
      const Colour b = shrink(image, 2 * lines, columns, 2 * line + 1, x);
      out += fmt::format("\033[38;2;{};{};{}m\033[48;2;{};{};{}m▀", level(a.channel[0]),
                         level(a.channel[1]), level(a.channel[2]), level(b.channel[0]),
                         level(b.channel[1]), level(b.channel[2]));
    } else {
      const double grey = shrink(image, lines, columns, line, x).grey();
      const int64_t shade = std::min(static_cast<int64_t>(grey * kShadeCount), kShadeCount - 1);
      out += kShades[shade];
    }
  }
  return colours ? out + "\033[0m" : out;
}

/// `label` in exactly `columns` columns. Cut between bytes only where a character begins.
std::string fit(const std::string& label, int64_t columns) {
  std::string out;
  int64_t used = 0;
  for (size_t i = 0; i < label.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(label[i]) & 0xC0) != 0x80;
    if (begins && ++used > columns) return out;
    out += label[i];
  }
  return out + std::string(static_cast<size_t>(columns - used), ' ');
}

}  // namespace

std::string draw_thumbnails(const std::vector<Thumbnail>& pictures, bool colours) {
  if (pictures.empty()) return "";
  const int64_t count = static_cast<int64_t>(pictures.size());
  const int64_t columns =
      std::min(kMostColumns, (kTerminalColumns - kThumbnailGap * count) / count);
  const Shape& shape = pictures.front().image.shape();
  // A character is about twice as high as wide.
  const int64_t lines = std::clamp<int64_t>(columns * shape[1] / (2 * shape[2]), 1, columns);
  const std::string gap(kThumbnailGap, ' ');
  std::string out;
  for (int64_t line = 0; line < lines; ++line) {
    for (const Thumbnail& picture : pictures) {
      out += gap + picture_line(picture.image, lines, columns, line, colours);
    }
    out += "\n";
  }
  for (const Thumbnail& picture : pictures) out += gap + fit(picture.label, columns);
  return out + "\n";
}

}  // namespace gmlp
