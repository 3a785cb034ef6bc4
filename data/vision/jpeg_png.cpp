// JPEG and PNG, by libraries whose errors jump out of them.
//
// libjpeg-turbo has its default settings, which are Pillow's. Of its warnings, those that mean
// missing or wrong pixels are errors. Damaged arithmetic codes leave no trace, only truncated ones.
// All of libpng's warnings are errors.
#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include <jpeglib.h>
#include <png.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "data/vision/image_formats.h"

namespace gmlp {
namespace {

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
  std::array<char, 200> reason_{};
};

constexpr int64_t kMaxFullPixels = int64_t{32} << 20;
constexpr int64_t kSpareMemory = int64_t{32} << 20;
constexpr int kExifMarker = JPEG_APP0 + 1;

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
      const bool too_much = scans > 12 && scans * self(jpeg).blocks() > 64 << 20;
      if (scans > 100 || too_much) self(jpeg).fail("too many scans");
    };
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&jpeg_); }

  Image decode() {
    run([&] { read_header(); });
    const int orientation = stored_orientation();  // decoding frees the marker
    choose_scale();
    const bool cmyk = jpeg_.num_components == 4;
    const int64_t channels = jpeg_.num_components == 1 ? 1 : 3;
    if (file_.header_only) {
      const std::string_view rest(reinterpret_cast<const char*>(jpeg_.src->next_input_byte),
                                  jpeg_.src->bytes_in_buffer);
      if (rest.rfind("\xFF\xD9") == rest.npos) file_.refuse("truncated JPEG (no end marker)");
      return {jpeg_.output_height, jpeg_.output_width, channels, {}, {}};
    }
    Image image = Image::of_bytes(jpeg_.output_height, jpeg_.output_width, channels);
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
    return turn(std::move(image), orientation);
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

  /// Every other warning means that pixels are missing or wrong. Some cameras write bytes between
  /// the segments. In front of a restart marker, they are padding if they end in a 0, which codes
  /// do not, and else the rest of damaged data.
  bool is_harmless() const {
    const int code = errors_.msg_code;
    if (code != JWRN_EXTRANEOUS_DATA) return code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM;
    const int marker = errors_.msg_parm.i[1];
    const uint8_t* end = jpeg_.src->next_input_byte;
    return marker < JPEG_RST0 || marker > JPEG_RST0 + 7 || (end[-1] == 0 && end[-2] != 0xFF);
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
    jpeg_save_markers(&jpeg_, kExifMarker, 0xFFFF);
    jpeg_read_header(&jpeg_, TRUE);
    const int components = jpeg_.num_components;
    if (components != 1 && components != 3 && components != 4) fail("not 1, 3 or 4 components");
    // libjpeg would replace missing tables by those of Motion JPEG.
    const bool huffman = jpeg_.progressive_mode == 0 && jpeg_.arith_code == 0;
    const auto is_missing = [](JHUFF_TBL* const* tables, int number) {
      return number >= NUM_HUFF_TBLS || tables[number] == nullptr;
    };
    for (int i = 0; huffman && i < jpeg_.comps_in_scan; ++i) {
      if (is_missing(jpeg_.dc_huff_tbl_ptrs, jpeg_.cur_comp_info[i]->dc_tbl_no) ||
          is_missing(jpeg_.ac_huff_tbl_ptrs, jpeg_.cur_comp_info[i]->ac_tbl_no)) {
        fail("a Huffman table that is used but not defined");
      }
    }
  }

  int stored_orientation() const {
    for (auto marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      // XMP has the same marker.
      if (marker->data_length >= 6 && std::memcmp(marker->data, "Exif", 5) == 0) {
        return exif_orientation(marker->data, marker->data_length);
      }
    }
    return 1;
  }

  /// A half, a quarter or an eighth of the size, as Pillow's draft mode, if more would take too
  /// much memory. Files of several scans need all their coefficients, 64 of two bytes per block.
  void choose_scale() {
    const int64_t height = jpeg_.image_height, width = jpeg_.image_width;
    const int64_t coefficients = jpeg_has_multiple_scans(&jpeg_) ? blocks() * 64 * 2 : 0;
    int64_t pixels = height * width;
    const int64_t most_memory = 8 * pixels + kSpareMemory;
    while (jpeg_.scale_denom < 8 &&
           (pixels > kMaxFullPixels || coefficients + 3 * pixels > most_memory)) {
      jpeg_.scale_denom *= 2;
      pixels /= 4;
    }
    // A block is a Huffman code of at least one bit, and in sequential files two.
    const int64_t blocks_per_byte = jpeg_.progressive_mode ? 8 : 4;
    file_.check_size(height, width, jpeg_.arith_code ? 0 : blocks() / blocks_per_byte,
                     coefficients + 3 * pixels);
    run([&] { jpeg_calc_output_dimensions(&jpeg_); });
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

constexpr const png_byte kExifChunk[] = "eXIf";

class PngDecoder : LibraryDecoder {
 public:
  explicit PngDecoder(const EncodedImage& file) : LibraryDecoder(file, "PNG") {}
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image decode() {
    run([&] { read_header(); });
    const int64_t height = png_get_image_height(png_, info_);
    const int64_t width = png_get_image_width(png_, info_);
    const int64_t stored_bytes = height * static_cast<int64_t>(png_get_rowbytes(png_, info_));
    file_.check_size(height, width, stored_bytes / 1032,  // DEFLATE's best ratio
                     3 * height * width);
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
    return turn(std::move(image), stored_orientation());
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
    png_set_user_limits(png_, kMaxImageSide, kMaxImageSide);
    // Ancillary chunks (color profile, time, text) do not change the pixels here, except for EXIF.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_ALWAYS, kExifChunk, 1);
    png_set_read_fn(png_, this, [](png_structp png, png_bytep out, size_t count) {
      PngDecoder& self = *static_cast<PngDecoder*>(png_get_io_ptr(png));
      const int64_t begin = self.position_;
      self.position_ += static_cast<int64_t>(count);
      if (self.position_ > self.file_.size) self.fail("the file ends early; it is truncated");
      std::copy_n(self.file_.data + begin, count, out);
    });
    png_read_info(png_, info_);
  }

  int stored_orientation() const {
    png_unknown_chunkp chunk = nullptr;
    const int count = png_get_unknown_chunks(png_, info_, &chunk);
    return count < 1 ? 1 : exif_orientation(chunk->data, static_cast<int64_t>(chunk->size));
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

}  // namespace

Image decode_jpeg(const EncodedImage& file) {
  return JpegDecoder(file).decode();
}

Image decode_png(const EncodedImage& file) {
  return PngDecoder(file).decode();
}

}  // namespace gmlp
