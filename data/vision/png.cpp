// Signature, then chunks (length, type, data, CRC): IHDR, PLTE, tRNS, IDAT..., IEND among others.
// The IDATs together are one zlib stream: rows, each led by the number of its filter.
#include "data/vision/png.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <zlib.h>

#include "data/vision/byte_reader.h"
#include "data/vision/image_check.h"

namespace gmlp {
namespace {

constexpr uint32_t kHeader = 0x49484452;        // IHDR
constexpr uint32_t kPalette = 0x504C5445;       // PLTE
constexpr uint32_t kTransparency = 0x74524E53;  // tRNS
constexpr uint32_t kData = 0x49444154;          // IDAT
constexpr uint32_t kEnd = 0x49454E44;           // IEND
constexpr uint32_t kApple = 0x43674249;         // CgBI
constexpr uint32_t kAncillary = 0x20000000;     // the case of the first letter

enum ColorType : uint32_t { kGray = 0, kRgb = 2, kIndexed = 3, kGrayAlpha = 4, kRgbAlpha = 6 };

struct Span {
  const uint8_t* data = nullptr;
  int64_t size = 0;
};

/// A picture within the file: the whole, or one of the seven passes of an interlaced file (Adam7).
struct Pass {
  int64_t x = 0;
  int64_t y = 0;
  int64_t dx = 1;
  int64_t dy = 1;
};
constexpr std::array<Pass, 1> kWhole{Pass{}};
constexpr std::array<Pass, 7> kAdam7{Pass{0, 0, 8, 8}, Pass{4, 0, 8, 8}, Pass{0, 4, 4, 8},
                                     Pass{2, 0, 4, 4}, Pass{0, 2, 2, 4}, Pass{1, 0, 2, 2},
                                     Pass{0, 1, 1, 2}};

struct Png {
  int64_t width = 0;
  int64_t height = 0;
  uint32_t depth = 0;  // bits a sample
  uint32_t color = 0;
  bool interlaced = false;
  Span palette;       // 3 bytes an entry
  Span transparency;  // palette: alphas; grey, RGB: the sample values that are transparent
  std::vector<Span> data;

  int64_t samples() const {  // a pixel, in the file
    if (color == kRgb) return 3;
    if (color == kGrayAlpha) return 2;
    return color == kRgbAlpha ? 4 : 1;
  }
  int64_t bits() const { return samples() * depth; }
  int64_t row_bytes(int64_t pixels) const { return (pixels * bits() + 7) / 8; }
  bool gray() const { return color == kGray || color == kGrayAlpha; }
};

/// IHDR: size, depth and colour type, of which few combinations are valid (PNG 11.2.2).
void read_header(const Span& chunk, Png& png, const std::string& path) {
  if (chunk.size != 13) bad_image(path, "a PNG header of the wrong length");
  ByteReader reader(chunk.data, chunk.size, path);
  png.width = reader.u32_be("the PNG header");
  png.height = reader.u32_be("the PNG header");
  png.depth = reader.u8("the PNG header");
  png.color = reader.u8("the PNG header");
  const uint32_t compression = reader.u8("the PNG header");
  const uint32_t filter = reader.u8("the PNG header");
  const uint32_t interlace = reader.u8("the PNG header");
  check_dimensions(png.height, png.width, path);
  const bool wide = png.depth == 8 || png.depth == 16;
  const bool narrow = png.depth == 1 || png.depth == 2 || png.depth == 4;
  const bool valid =
      (png.color == kGray && (wide || narrow)) ||
      (png.color == kIndexed && (png.depth == 8 || narrow)) ||
      ((png.color == kRgb || png.color == kGrayAlpha || png.color == kRgbAlpha) && wide);
  if (!valid) {
    bad_image(path,
              fmt::format("PNG colour type {} with {} bits is invalid", png.color, png.depth));
  }
  if (compression != 0 || filter != 0 || interlace > 1) {
    bad_image(path, "a PNG of unknown compression, filter or interlace method");
  }
  png.interlaced = interlace == 1;
}

/// PLTE: also allowed as a hint in true colour, where it is passed over.
void read_palette(const Span& chunk, Png& png, const std::string& path) {
  if (png.palette.size != 0 || !png.data.empty() || png.gray()) {
    bad_image(path, "a PNG palette out of place");
  }
  const int64_t most = png.color == kIndexed ? int64_t{3} << png.depth : 768;
  if (chunk.size == 0 || chunk.size % 3 != 0 || chunk.size > most) {
    bad_image(path, "a PNG palette of the wrong length");
  }
  png.palette = chunk;
}

/// tRNS: excluded where the pixels have their own alpha.
void read_transparency(const Span& chunk, Png& png, const std::string& path) {
  if (png.transparency.data != nullptr || !png.data.empty() || png.color >= kGrayAlpha) {
    bad_image(path, "a PNG tRNS chunk out of place");
  }
  const bool fits = png.color == kIndexed ? chunk.size >= 1 && chunk.size <= png.palette.size / 3
                                          : chunk.size == 2 * png.samples();
  if (!fits) bad_image(path, "a PNG tRNS chunk of the wrong length");
  png.transparency = chunk;
}

/// Reads one chunk; false after IEND.
bool read_chunk(ByteReader& reader, Png& png, uint32_t& previous) {
  const std::string& path = reader.path();
  Span chunk;
  chunk.size = reader.u32_be("a PNG chunk (IEND is missing)");
  reader.need(chunk.size + 8, "a PNG chunk");
  const uint8_t* typed = reader.here();
  const uint32_t type = reader.u32_be("a PNG chunk");
  chunk.data = reader.here();
  reader.skip(chunk.size, "a PNG chunk");
  const uint32_t crc =
      static_cast<uint32_t>(crc32_z(0, typed, static_cast<size_t>(chunk.size + 4)));
  if (reader.u32_be("a PNG checksum") != crc) {
    bad_image(path, fmt::format("the PNG chunk at byte {} has a wrong checksum",
                                reader.position() - chunk.size - 12));
  }
  if ((previous == 0) != (type == kHeader)) {
    bad_image(path, type == kApple ? "an iPhone PNG (CgBI), which is no PNG"
                                   : "a PNG must have one header, in front");
  }
  if (type == kData) {
    if (!png.data.empty() && previous != kData) bad_image(path, "PNG pixels in two places");
    png.data.push_back(chunk);
  } else if (type == kHeader) {
    read_header(chunk, png, path);
  } else if (type == kPalette) {
    read_palette(chunk, png, path);
  } else if (type == kTransparency) {
    read_transparency(chunk, png, path);
  } else if (type == kEnd) {
    if (chunk.size != 0) bad_image(path, "a PNG end chunk that is not empty");
  } else if ((type & kAncillary) == 0) {
    bad_image(path, fmt::format("an unknown critical PNG chunk {:#x}", type));
  }
  previous = type;
  return type != kEnd;
}

/// All chunks. What follows IEND is not looked at, as in other readers.
Png parse(const uint8_t* data, int64_t size, const std::string& path) {
  ByteReader reader(data, size, path);
  reader.need(8, "the PNG signature");
  if (std::memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0) {
    bad_image(path, "a damaged PNG signature (was it copied as text?)");
  }
  reader.skip(8, "the PNG signature");
  Png png;
  uint32_t previous = 0;
  while (read_chunk(reader, png, previous)) {
  }
  if (png.data.empty()) bad_image(path, "a PNG without pixels");
  if (png.color == kIndexed && png.palette.size == 0) bad_image(path, "a PNG without its palette");
  return png;
}

/// The zlib stream of all IDATs, read row by row, so that a bomb costs time but never memory.
class Inflater {
 public:
  Inflater(const std::vector<Span>& spans, const std::string& path) : spans_(spans), path_(path) {
    if (inflateInit(&stream_) != Z_OK) fail_run("zlib: no memory to inflate {}", path);
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  /// Exactly `size` bytes.
  void read(uint8_t* out, int64_t size) {
    stream_.next_out = out;
    stream_.avail_out = static_cast<uInt>(size);
    while (stream_.avail_out > 0) {
      if (ended_) bad_image(path_, "a PNG with fewer pixels than its header announces");
      step();
    }
  }

  /// The stream must end here, its Adler-32 checked, and nothing may follow.
  void finish() {
    uint8_t extra = 0;
    stream_.next_out = &extra;
    stream_.avail_out = 1;
    while (!ended_) {
      step();
      if (stream_.avail_out == 0)
        bad_image(path_, "a PNG with more pixels than its header announces");
    }
    if (stream_.avail_in > 0 || next_ < spans_.size())
      bad_image(path_, "a PNG with data after its pixels");
  }

 private:
  void step() {
    while (stream_.avail_in == 0 && next_ < spans_.size()) {
      stream_.next_in = const_cast<Bytef*>(spans_[next_].data);  // zlib's C interface; only read
      stream_.avail_in = static_cast<uInt>(spans_[next_].size);
      ++next_;
    }
    const int status = inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      ended_ = true;
    } else if (status != Z_OK) {
      const char* reason = stream_.msg != nullptr ? stream_.msg : "the data end early";
      bad_image(path_, fmt::format("PNG pixels do not inflate ({})", reason));
    }
  }

  const std::vector<Span>& spans_;
  const std::string& path_;
  size_t next_ = 0;
  bool ended_ = false;
  z_stream stream_{};
};

/// The neighbour that a + b - c is nearest to: left, up, upper left in case of a tie (PNG 9.4).
int paeth(int left, int up, int corner) {
  const int estimate = left + up - corner;
  const int to_left = std::abs(estimate - left);
  const int to_up = std::abs(estimate - up);
  const int to_corner = std::abs(estimate - corner);
  if (to_left <= to_up && to_left <= to_corner) return left;
  return to_up <= to_corner ? up : corner;
}

/// Adds to each byte what its row's filter predicts. `row` and `above` have `step` zeros in front.
void unfilter(int filter, uint8_t* row, const uint8_t* above, int64_t size, int64_t step) {
  for (int64_t i = 0; i < size; ++i) {
    const int left = row[i - step];
    const int up = above[i];
    int predicted = 0;
    switch (filter) {
      case 1:
        predicted = left;
        break;
      case 2:
        predicted = up;
        break;
      case 3:
        predicted = (left + up) / 2;
        break;
      case 4:
        predicted = paeth(left, up, above[i - step]);
        break;
      default:
        return;
    }
    row[i] = static_cast<uint8_t>(row[i] + predicted);
  }
}

/// Turns unfiltered rows into 8-bit pixels over white.
class PixelWriter {
 public:
  PixelWriter(const Png& png, const std::string& path) : png_(png), path_(path) {
    if (png.transparency.data == nullptr || png.color == kIndexed) return;
    for (size_t i = 0; i < static_cast<size_t>(png.samples()); ++i) {
      const uint8_t* value = png.transparency.data + 2 * i;
      key_[i] = static_cast<uint32_t>(value[0] << 8 | value[1]);
    }
    keyed_ = true;
  }

  /// One pixel: samples, then palette or scaling to a byte, then what shows through of white.
  void write(const uint8_t* row, int64_t pixel, uint8_t* out) const {
    const size_t samples = static_cast<size_t>(png_.samples());
    std::array<uint32_t, 4> value{};
    for (size_t i = 0; i < samples; ++i) {
      value[i] = sample(row, pixel * png_.samples() + static_cast<int64_t>(i));
    }
    uint32_t alpha = 255;
    if (png_.color == kIndexed) {
      const int64_t index = value[0];
      if (3 * index >= png_.palette.size) {
        bad_image(path_,
                  fmt::format("a PNG pixel of colour {} of {}", index, png_.palette.size / 3));
      }
      for (size_t i = 0; i < 3; ++i)
        value[i] = png_.palette.data[static_cast<size_t>(3 * index) + i];
      if (index < png_.transparency.size) alpha = png_.transparency.data[index];
    } else {
      if (keyed_ &&
          std::equal(key_.begin(), key_.begin() + static_cast<int64_t>(samples), value.begin())) {
        alpha = 0;
      }
      for (size_t i = 0; i < samples; ++i) value[i] = to_byte(value[i]);
      if (png_.color == kGrayAlpha || png_.color == kRgbAlpha) alpha = value[samples - 1];
    }
    const size_t channels = png_.gray() ? 1 : 3;
    for (size_t i = 0; i < channels; ++i) {
      const uint32_t over_white = (value[i] * alpha + 255 * (255 - alpha) + 127) / 255;
      out[i] = static_cast<uint8_t>(over_white);
    }
  }

 private:
  /// The index-th sample of a row, of 1 to 16 bits.
  uint32_t sample(const uint8_t* row, int64_t index) const {
    if (png_.depth == 8) return row[index];
    if (png_.depth == 16) return static_cast<uint32_t>(row[2 * index] << 8 | row[2 * index + 1]);
    const int64_t bit = index * png_.depth;  // the leftmost sample is in the high bits
    return static_cast<uint32_t>(row[bit / 8] >> (8 - png_.depth - bit % 8)) &
           ((1U << png_.depth) - 1);
  }
  uint32_t to_byte(uint32_t value) const {
    return png_.depth == 16 ? value >> 8 : value * 255 / ((1U << png_.depth) - 1);
  }

  const Png& png_;
  const std::string& path_;
  bool keyed_ = false;
  std::array<uint32_t, 3> key_{};
};

/// Unfilters the rows of one pass and scatters their pixels. A pass has no row above its first:
/// zeros.
void read_pass(const Png& png, const Pass& pass, const std::string& path, Inflater& inflater,
               Image& image) {
  const int64_t columns = (png.width - pass.x + pass.dx - 1) / pass.dx;
  const int64_t rows = (png.height - pass.y + pass.dy - 1) / pass.dy;
  if (columns <= 0 || rows <= 0) return;  // small pictures lack some passes
  // Filters look back a whole pixel, or a byte where pixels are smaller.
  const int64_t step = std::max<int64_t>(1, png.bits() / 8);
  const int64_t bytes = png.row_bytes(columns);
  std::vector<uint8_t> row(static_cast<size_t>(step + bytes));
  std::vector<uint8_t> above(row.size());
  const PixelWriter writer(png, path);
  for (int64_t r = 0; r < rows; ++r) {
    uint8_t filter = 0;
    inflater.read(&filter, 1);
    if (filter > 4) bad_image(path, fmt::format("PNG row {} has the unknown filter {}", r, filter));
    inflater.read(row.data() + step, bytes);
    unfilter(filter, row.data() + step, above.data() + step, bytes, step);
    const int64_t y = pass.y + r * pass.dy;
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t x = pass.x + c * pass.dx;
      writer.write(row.data() + step, c,
                   &image.bytes[static_cast<size_t>((y * png.width + x) * image.channels)]);
    }
    std::swap(row, above);
  }
}

}  // namespace

Image decode_png(const uint8_t* data, int64_t size, const std::string& path) {
  const Png png = parse(data, size, path);
  // DEFLATE's best ratio is 1032: smaller files cannot hold what the header announces, so that
  // memory stays bounded by the file.
  int64_t compressed = 0;
  for (const Span& span : png.data) compressed += span.size;
  if (png.row_bytes(png.width) * png.height / 1032 > compressed) {
    bad_image(path, "a PNG with fewer pixels than its header announces");
  }
  Image image;
  image.height = png.height;
  image.width = png.width;
  image.channels = png.gray() ? 1 : 3;
  image.bytes.resize(static_cast<size_t>(image.height * image.width * image.channels));
  Inflater inflater(png.data, path);
  if (png.interlaced) {
    for (const Pass& pass : kAdam7) read_pass(png, pass, path, inflater, image);
  } else {
    for (const Pass& pass : kWhole) read_pass(png, pass, path, inflater, image);
  }
  inflater.finish();
  return image;
}

ImageInfo check_png(const uint8_t* data, int64_t size, const std::string& path) {
  const Image image = decode_png(data, size, path);
  return {ImageFormat::kPng, image.height, image.width, image.channels};
}

}  // namespace gmlp
