// The decoder is chosen by the file's first bytes, whatever its name. Each one checks the size that
// the header announces before it allocates anything: the file's length bounds the memory.
#include "data/vision/image_decode.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include <jpeglib.h>
#include <png.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "core/error.h"
#include "core/io/file.h"

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS (1 << 14)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_image.h>
#pragma GCC diagnostic pop

namespace gmlp {
namespace {

constexpr int64_t kMaxFileBytes = int64_t{1} << 28;
constexpr int64_t kMaxSide = int64_t{1} << 14;
constexpr int64_t kMaxPixels = int64_t{64} << 20;

/// A file in memory.
struct EncodedImage {
  const uint8_t* data = nullptr;
  int64_t size = 0;
  const std::string& path;  // for messages

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> reason, Args&&... args) const {
    fail_input("{}: {}; save the image again or remove it", path,
               fmt::format(reason, std::forward<Args>(args)...));
  }
  /// Refuses sizes beyond the limits, and files of fewer bytes than so many pixels need.
  void check_size(int64_t height, int64_t width, int64_t min_bytes) const {
    if (height < 1 || width < 1) refuse("{} x {} pixels", width, height);
    if (height > kMaxSide || width > kMaxSide || height * width > kMaxPixels) {
      refuse("{} x {} pixels, more than {} per side or {} in total", width, height, kMaxSide,
             kMaxPixels);
    }
    if (size < min_bytes) {
      refuse("{} x {} pixels in {} bytes; it is truncated", width, height, size);
    }
  }
};

/// Decodes with a C library whose error handler must not return. The handler calls fail(), which
/// jumps out of the library back into run(), which throws.
class LibraryDecoder {
 protected:
  LibraryDecoder(const EncodedImage& file, const char* format) : file_(file), format_(format) {}
  LibraryDecoder(const LibraryDecoder&) = delete;
  LibraryDecoder& operator=(const LibraryDecoder&) = delete;
  ~LibraryDecoder() = default;

  /// The jump skips destructors: `body` must have no locals that need one.
  template <typename Body>
  void run(const Body& body) {
    if (!finishes(body)) file_.refuse("damaged {} ({})", format_, reason_.data());
  }
  [[noreturn]] void fail(const char* reason) {
    std::snprintf(reason_.data(), reason_.size(), "%s", reason);
    std::longjmp(jump_, 1);
  }

  const EncodedImage& file_;

 private:
  /// Not inlined, so that the jump restores no register that holds a variable of a caller.
  template <typename Body>
  [[gnu::noinline]] bool finishes(const Body& body) {
    if (setjmp(jump_) != 0) return false;
    body();
    return true;
  }

  const char* format_;
  std::jmp_buf jump_{};
  std::array<char, JMSG_LENGTH_MAX> reason_{};
};

// ---- JPEG: libjpeg-turbo with its default settings, which are Pillow's ----

class JpegDecoder : LibraryDecoder {
 public:
  explicit JpegDecoder(const EncodedImage& file) : LibraryDecoder(file, "JPEG") {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) { self(jpeg).fail_with_message(); };
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      if (level < 0 && !self(jpeg).is_harmless()) self(jpeg).fail_with_message();
    };
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      // A few bytes of a progressive file can demand much work. Most files have about ten scans.
      const int64_t scans = self(jpeg).jpeg_.input_scan_number;
      const int64_t block_visits = scans * self(jpeg).blocks();
      if (scans > 100 || block_visits > 32 << 20) self(jpeg).fail("too many scans");
    };
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&jpeg_); }

  Image decode() {
    run([&] { read_header(); });
    // A block is a Huffman code of at least one bit, and in sequential files two.
    file_.check_size(jpeg_.image_height, jpeg_.image_width,
                     blocks() / (jpeg_.progressive_mode ? 8 : 4));
    const bool cmyk = jpeg_.num_components == 4;
    const int64_t channels = jpeg_.num_components == 1 ? 1 : 3;
    Image image = Image::of_bytes(jpeg_.image_height, jpeg_.image_width, channels);
    std::vector<uint8_t> cmyk_row(cmyk ? 4 * static_cast<size_t>(image.width) : 0);
    run([&] {
      jpeg_.out_color_space = cmyk ? JCS_CMYK : channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
      jpeg_start_decompress(&jpeg_);
      check_quantization();
      uint8_t* out = image.bytes.data();
      for (int64_t y = 0; y < image.height; ++y, out += image.width * channels) {
        JSAMPROW row = cmyk ? cmyk_row.data() : out;
        jpeg_read_scanlines(&jpeg_, &row, 1);
        if (cmyk) write_rgb(cmyk_row, out);
      }
      jpeg_finish_decompress(&jpeg_);  // reads up to the end marker
    });
    return image;
  }

 private:
  static JpegDecoder& self(j_common_ptr jpeg) {
    return *static_cast<JpegDecoder*>(jpeg->client_data);
  }

  [[noreturn]] void fail_with_message() {
    char message[JMSG_LENGTH_MAX] = "";
    errors_.format_message(reinterpret_cast<j_common_ptr>(&jpeg_), message);
    fail(message);
  }

  /// Every other warning means that pixels are missing or wrong. Some cameras write extra bytes in
  /// front of the end marker. In front of a restart marker they are the rest of damaged data.
  bool is_harmless() const {
    const int code = errors_.msg_code;
    const int marker = errors_.msg_parm.i[1];
    const bool restart = marker >= JPEG_RST0 && marker <= JPEG_RST0 + 7;
    return code == JWRN_EXTRANEOUS_DATA ? !restart
                                        : code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM;
  }

  int64_t blocks() const {
    int64_t sum = 0;
    for (int i = 0; i < jpeg_.num_components; ++i) {
      sum += int64_t{jpeg_.comp_info[i].width_in_blocks} * jpeg_.comp_info[i].height_in_blocks;
    }
    return sum;
  }

  /// Reads up to the first scan.
  void read_header() {
    jpeg_create_decompress(&jpeg_);
    jpeg_mem_src(&jpeg_, file_.data, static_cast<unsigned long>(file_.size));
    jpeg_.progress = &progress_;
    jpeg_read_header(&jpeg_, TRUE);
    const int components = jpeg_.num_components;
    if (components != 1 && components != 3 && components != 4) fail("not 1, 3 or 4 components");
    if (jpeg_.arith_code) fail("arithmetic coding is not read");
    // libjpeg would replace missing tables by those of Motion JPEG.
    const auto is_missing = [](JHUFF_TBL* const* tables, int number) {
      return number >= NUM_HUFF_TBLS || tables[number] == nullptr;
    };
    for (int i = 0; i < jpeg_.comps_in_scan && !jpeg_.progressive_mode; ++i) {
      if (is_missing(jpeg_.dc_huff_tbl_ptrs, jpeg_.cur_comp_info[i]->dc_tbl_no) ||
          is_missing(jpeg_.ac_huff_tbl_ptrs, jpeg_.cur_comp_info[i]->ac_tbl_no)) {
        fail("a Huffman table that is used but not defined");
      }
    }
  }

  /// libjpeg decodes to gray what it has no scan of, and multiplies by zeros without a warning.
  void check_quantization() {
    for (int i = 0; i < jpeg_.num_components; ++i) {
      const JQUANT_TBL* table = jpeg_.comp_info[i].quant_table;
      if (table == nullptr) fail("a component without its scan");
      if (std::count(std::begin(table->quantval), std::end(table->quantval), 0) > 0) {
        fail("a quantization table with a 0");
      }
    }
  }

  /// Pillow's conversion. Both c and k are stored inverted.
  static void write_rgb(const std::vector<uint8_t>& cmyk, uint8_t* out) {
    for (size_t i = 0; i < cmyk.size(); i += 4) {
      const int k = cmyk[i + 3];
      for (size_t c = 0; c < 3; ++c) {
        const int product = (255 - cmyk[i + c]) * k + 128;
        const int absorbed = ((product >> 8) + product) >> 8;  // product / 255, rounded
        *out++ = static_cast<uint8_t>(std::max(0, k - absorbed));
      }
    }
  }

  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct jpeg_{};
};

// ---- PNG: libpng, whose warnings are errors here ----

class PngDecoder : LibraryDecoder {
 public:
  explicit PngDecoder(const EncodedImage& file) : LibraryDecoder(file, "PNG") {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image decode() {
    run([&] { read_header(); });
    const int64_t height = png_get_image_height(png_, info_);
    const int64_t width = png_get_image_width(png_, info_);
    const int64_t stored_bytes = height * static_cast<int64_t>(png_get_rowbytes(png_, info_));
    file_.check_size(height, width, stored_bytes / 1032);  // DEFLATE's best ratio
    const int color = png_get_color_type(png_, info_);
    const bool palette = color == PNG_COLOR_TYPE_PALETTE;
    Image image = Image::of_bytes(height, width, (color & PNG_COLOR_MASK_COLOR) != 0 ? 3 : 1);
    // Palette indices are decoded to the last third of the image and expanded in place.
    const int64_t row_bytes = palette ? width : width * image.channels;
    uint8_t* end = image.bytes.data() + image.bytes.size();
    std::vector<uint8_t*> rows;
    for (int64_t y = height; y > 0; --y) rows.push_back(end - y * row_bytes);
    run([&] {
      // One byte per sample or palette index, and no alpha.
      png_set_strip_16(png_);
      png_set_strip_alpha(png_);
      palette ? png_set_packing(png_) : png_set_expand_gray_1_2_4_to_8(png_);
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      if (static_cast<int64_t>(png_get_rowbytes(png_, info_)) != row_bytes) fail("wrong row size");
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
    if (palette) expand_palette(image);
    return image;
  }

 private:
  void read_header() {
    const png_error_ptr on_error = [](png_structp png, png_const_charp message) {
      static_cast<PngDecoder*>(png_get_error_ptr(png))->fail(message);
    };
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_error);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) fail("no memory for libpng");
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_benign_errors(png_, 0);
    png_set_user_limits(png_, kMaxSide, kMaxSide);
    // Ancillary chunks (color profile, time, text) do not change the pixels here.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_read_fn(png_, this, [](png_structp png, png_bytep out, size_t count) {
      PngDecoder& self = *static_cast<PngDecoder*>(png_get_io_ptr(png));
      const int64_t begin = self.position_;
      self.position_ += static_cast<int64_t>(count);
      if (self.position_ > self.file_.size) self.fail("the file ends early; it is truncated");
      std::copy_n(self.file_.data + begin, count, out);
    });
    png_read_info(png_, info_);
  }

  void expand_palette(Image& image) const {
    png_colorp colors = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &colors, &count);
    const size_t pixels = image.bytes.size() / 3;
    for (size_t i = 0; i < pixels; ++i) {
      const int index = image.bytes[2 * pixels + i];
      if (index >= count) file_.refuse("damaged PNG (color {} of {})", index, count);
      image.bytes[3 * i] = colors[index].red;
      image.bytes[3 * i + 1] = colors[index].green;
      image.bytes[3 * i + 2] = colors[index].blue;
    }
  }

  int64_t position_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// ---- BMP: stb_image, which trusts its input, so the file is checked first ----

template <typename Integer>
Integer read_at(const EncodedImage& file, int64_t position) {
  Integer value = 0;
  std::memcpy(&value, file.data + position, sizeof(value));  // little-endian, like this machine
  return value;
}

/// File header (14 bytes), image header, masks or palette, rows padded to 4 bytes.
void check_bmp(const EncodedImage& file) {
  if (file.size < 14 + 40) file.refuse("the file ends inside the BMP header");
  const int64_t offset = read_at<uint32_t>(file, 10);
  const int64_t header_size = read_at<uint32_t>(file, 14);
  const int64_t width = read_at<int32_t>(file, 18);
  const int64_t height = std::abs(int64_t{read_at<int32_t>(file, 22)});
  const uint32_t planes = read_at<uint16_t>(file, 26);
  const int64_t bits = read_at<uint16_t>(file, 28);
  const uint32_t compression = read_at<uint32_t>(file, 30);
  const bool palette = bits == 1 || bits == 4 || bits == 8;
  const bool has_masks = compression == 3 && (bits == 16 || bits == 32);
  // Of OS/2's header of 12 bytes, stb_image miscounts the palette.
  if ((header_size != 40 && header_size != 108 && header_size != 124) || planes != 1 ||
      (!palette && bits != 16 && bits != 24 && bits != 32) || (compression != 0 && !has_masks)) {
    file.refuse("unusual BMP (header of {} bytes, {} planes, {} bits per pixel, compression {})",
                header_size, planes, bits, compression);
  }
  // The masks follow the smallest header and are part of the larger ones.
  const int64_t first = std::max<int64_t>(14 + header_size, has_masks ? 54 + 12 : 0);
  const int64_t colors = palette ? (offset - first) / 4 : 0;
  if (offset < first || (palette ? colors < 1 || colors > 256 : offset != first)) {
    file.refuse("BMP pixels at byte {}, after a header of {} bytes", offset, first);
  }
  file.check_size(height, width, 0);  // before the size in bytes, which could overflow
  const int64_t stride = (width * bits + 31) / 32 * 4;
  file.check_size(height, width, offset + stride * height);
  for (int64_t position = 54; has_masks && position < 66; position += 4) {
    const uint32_t mask = read_at<uint32_t>(file, position);
    const uint32_t run = mask == 0 ? 0 : mask >> std::countr_zero(mask);
    if (run == 0 || run > 255 || !std::has_single_bit(run + 1)) {
      file.refuse("BMP channel mask {:#x}, not one run of at most 8 bits", mask);
    }
  }
  for (int64_t i = 0; palette && i < height * width; ++i) {
    const int64_t bit = i % width * bits;
    const int64_t byte = file.data[offset + i / width * stride + bit / 8];
    const int64_t index = byte >> (8 - bits - bit % 8) & ((1 << bits) - 1);
    if (index >= colors) file.refuse("BMP pixel of color {} of {}", index, colors);
  }
}

Image decode_bmp(const EncodedImage& file) {
  check_bmp(file);
  int width = 0, height = 0, stored = 0;
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> pixels(
      stbi_load_from_memory(file.data, static_cast<int>(file.size), &width, &height, &stored, 3),
      &stbi_image_free);
  if (pixels == nullptr) file.refuse("undecodable BMP ({})", stbi_failure_reason());
  Image image = Image::of_bytes(height, width, 3);
  std::copy_n(pixels.get(), image.bytes.size(), image.bytes.begin());
  return image;
}

}  // namespace

bool is_image_name(const std::string& name) {
  const size_t dot = name.rfind('.');
  std::string extension = dot == std::string::npos ? "" : name.substr(dot);
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::string_view kKnown[] = {".png",  ".jpg", ".jpeg", ".jpe",
                                         ".jfif", ".bmp", ".webp"};
  return std::find(std::begin(kKnown), std::end(kKnown), extension) != std::end(kKnown);
}

Image decode_image_bytes(const uint8_t* data, int64_t size, const std::string& path) {
  const EncodedImage file{data, size, path};
  const std::string_view bytes(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  if (bytes.empty()) file.refuse("the file is empty");
  if (bytes.starts_with("\x89PNG")) return PngDecoder(file).decode();
  if (bytes.starts_with("\xFF\xD8")) return JpegDecoder(file).decode();
  if (bytes.starts_with("BM")) return decode_bmp(file);
  file.refuse("not a PNG, JPEG or BMP");
}

Image decode_image(const std::string& path) {
  const std::vector<char> bytes = read_file(path, kMaxFileBytes);
  return decode_image_bytes(reinterpret_cast<const uint8_t*>(bytes.data()),
                            static_cast<int64_t>(bytes.size()), path);
}

}  // namespace gmlp
