// PNG: libpng, whose warnings are errors here.
#include <algorithm>
#include <vector>

#include <png.h>

#include "data/vision/formats/formats.h"

namespace gmlp {
namespace {

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

Image decode_png(const EncodedImage& file) {
  return PngDecoder(file).decode();
}

}  // namespace gmlp
