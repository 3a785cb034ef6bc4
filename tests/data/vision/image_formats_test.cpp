// PNG, JPEG, WebP and BMP: good files decode to the expected bytes, damaged ones are refused with
// the reason.
#include "tests/data/data_files.h"
#include "tests/data/decode.h"
#include "tests/support/catch.h"

using gmlp::decode_image_bytes;
using gmlp::Image;
using gmlp::test::append;
using gmlp::test::append_le32;
using gmlp::test::bmp;
using gmlp::test::Bytes;
using gmlp::test::decode;
using gmlp::test::input_error;
using gmlp::test::mentions;
using gmlp::test::plain_png;
using gmlp::test::png_chunk;
using gmlp::test::png_data;
using gmlp::test::png_file;
using gmlp::test::png_header;
using gmlp::test::reason;
using gmlp::test::TemporaryFolder;
using gmlp::test::tiny_webp;
using gmlp::test::TinyJpeg;

namespace {

/// A WebP file of one chunk.
Bytes bytes_of_webp(const Bytes& chunk) {
  Bytes file{'R', 'I', 'F', 'F'};
  append_le32(file, static_cast<uint32_t>(4 + chunk.size()));
  append(file, {'W', 'E', 'B', 'P'});
  append(file, chunk);
  return file;
}

}  // namespace

TEST_CASE("every EXIF orientation is applied, as Pillow's exif_transpose does") {
  const Bytes stored{1, 2, 3, 4, 5, 6};  // 3 x 2
  const std::vector<std::pair<int64_t, Bytes>> seen{
      {3, {1, 2, 3, 4, 5, 6}}, {3, {1, 2, 3, 4, 5, 6}}, {3, {3, 2, 1, 6, 5, 4}},
      {3, {6, 5, 4, 3, 2, 1}}, {3, {4, 5, 6, 1, 2, 3}}, {2, {1, 4, 2, 5, 3, 6}},
      {2, {4, 1, 5, 2, 6, 3}}, {2, {6, 3, 5, 2, 4, 1}}, {2, {3, 6, 2, 5, 1, 4}},
      {3, {1, 2, 3, 4, 5, 6}}};
  for (size_t i = 0; i < seen.size(); ++i) {
    const uint8_t orientation = static_cast<uint8_t>(i);
    for (const bool big_endian : {false, true}) {
      const Bytes exif =
          big_endian
              ? Bytes{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation}
              : Bytes{'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0};
      const Bytes rows{0, 1, 2, 3, 0, 4, 5, 6};
      const auto& [width, bytes] = seen[orientation];
      INFO("orientation " << int{orientation});
      for (const bool before : {false, true}) {
        std::vector<Bytes> chunks{png_header(3, 2, 8, 0), png_data(rows)};
        chunks.insert(chunks.begin() + (before ? 1 : 2), png_chunk("eXIf", exif));
        const Image image = decode(png_file(chunks));
        CHECK(image.width == width);
        CHECK(image.bytes == bytes);
      }
      TinyJpeg jpeg;
      jpeg.frame[8] = 16;
      append(jpeg.start, {0xFF, 0xE1, 0, static_cast<uint8_t>(8 + exif.size())});
      append(jpeg.start, {'E', 'x', 'i', 'f', 0, 0});
      append(jpeg.start, exif);
      jpeg.data = {0xB2, 0x00};
      const Image photo = decode(jpeg.file());
      CHECK(photo.width == (width == 2 ? 8 : 16));
    }
  }
  const Bytes cut{'I', 'I', 42, 0, 0xFF, 0xFF, 0xFF, 0xFF};
  const Bytes file =
      png_file({png_header(2, 1, 8, 0), png_chunk("eXIf", cut), png_data({0, 1, 2})});
  CHECK(decode(file).bytes == Bytes{1, 2});
}

TEST_CASE("a WebP decodes, and its EXIF orientation is applied") {
  const Image image = decode(tiny_webp());
  CHECK(image.width == 2);
  CHECK(image.bytes ==
        Bytes{90, 90, 90, 200, 10, 30, 255, 255, 255, 20, 220, 40, 1, 2, 3, 0, 0, 255});
  // Lossy, of 2 x 2 x 3 bytes; and one clear pixel, of which the color stays.
  const Bytes lossy = bytes_of_webp(
      {0x56, 0x50, 0x38, 0x20, 0x3C, 0x00, 0x00, 0x00, 0xB0, 0x01, 0x00, 0x9D, 0x01, 0x2A,
       0x03, 0x00, 0x02, 0x00, 0x02, 0xC0, 0x4C, 0x25, 0xA8, 0x02, 0x74, 0x01, 0x0E, 0xF6,
       0xA2, 0x20, 0x00, 0xFE, 0xDE, 0x3C, 0x19, 0x2F, 0x76, 0x7F, 0xFE, 0xFB, 0xEF, 0x22,
       0xA9, 0xE3, 0x59, 0xBB, 0x0D, 0xF9, 0xCE, 0x68, 0xBF, 0x3F, 0xE8, 0x7E, 0xB6, 0xFE,
       0x51, 0xA7, 0x6F, 0xCF, 0xFA, 0x13, 0x10, 0x51, 0x75, 0xAC, 0x00, 0x00});
  CHECK(decode(lossy).bytes ==
        Bytes{75, 75, 30, 151, 148, 140, 37, 28, 97, 93, 94, 48, 255, 255, 250, 0, 0, 54});
  const Bytes clear =
      bytes_of_webp({0x56, 0x50, 0x38, 0x4C, 0x10, 0x00, 0x00, 0x00, 0x2F, 0x00, 0x00, 0x00,
                     0x10, 0x07, 0x50, 0x84, 0x26, 0xF4, 0x20, 0x02, 0x11, 0xD1, 0xFF, 0x00});
  CHECK(decode(clear).bytes == Bytes{9, 8, 7});
}

TEST_CASE("a truncated or animated WebP is refused with its reason") {
  const Bytes good = tiny_webp();
  for (size_t size = 0; size < good.size(); ++size) {
    INFO("cut to " << size);
    CHECK_FALSE(reason(Bytes(good.begin(), good.begin() + static_cast<int64_t>(size))).empty());
  }
  Bytes animated = good;
  animated[20] |= 2;  // a flag of the extended header
  mentions(animated, "animated WebP; save one frame");
  Bytes bad = good;
  bad[45] ^= 0xFF;
  mentions(bad, "WebP");
}

TEST_CASE("a photograph of 108 megapixels decodes at a reduced scale") {
  TinyJpeg jpeg;
  jpeg.frame = {0xFF, 0xC0, 0, 11, 8, 0x23, 0x28, 0x2E, 0xE0, 1, 1, 0x11, 0};  // 12000 x 9000
  jpeg.data = Bytes(1125 * 1500 / 4 + 8, 0);                                   // two bits per block
  jpeg.data[0] = 0xB2;
  const Image image = decode(jpeg.file());
  CHECK(image.width == 6000);
  CHECK(image.height == 4500);
  CHECK(image.bytes == Bytes(6000 * 4500, 128 + 100));
}

TEST_CASE("a small file of many pixels is refused, with a way to allow it") {
  const Bytes png = png_file({png_header(30000, 2000, 8, 2), png_data(Bytes(90001 * 2000, 0))});
  mentions(png, "GMLP_MAX_PIXELS=60000000");
  setenv("GMLP_MAX_PIXELS", "60000000", 1);
  CHECK(decode(png).bytes.size() == 180000000);
  setenv("GMLP_MAX_PIXELS", "63", 1);
  mentions(TinyJpeg().file(), "GMLP_MAX_PIXELS=64");
  unsetenv("GMLP_MAX_PIXELS");
}

TEST_CASE("a name is an image's by its extension, in upper or lower case") {
  const gmlp::test::TemporaryFolder folder;
  for (const char* name : {"a.png", "b/c.JPG", "d.jpeg", "x.Jpe", "x.bmp", "x.jfif", "x.y.webp",
                           "a", "png", "a.txt", "a.png.txt", "a.tiff", "e.png/b"}) {
    folder.write(name, {1});
  }
  CHECK(gmlp::list_files(folder.path()).images ==
        std::vector<std::string>{"a.png", "b/c.JPG", "d.jpeg", "x.Jpe", "x.bmp", "x.jfif",
                                 "x.y.webp"});
}

TEST_CASE("a BMP decodes, rows upside down and padded") {
  const Image image = decode(bmp(1, 2, 24, {}, {3, 2, 1, 0, 6, 5, 4, 0}));
  CHECK(image.bytes == Bytes{4, 5, 6, 1, 2, 3});
  const Image indexed = decode(bmp(2, 1, 8, {1, 2, 3, 0, 4, 5, 6, 0}, {1, 0, 0, 0}));
  CHECK(indexed.bytes == Bytes{6, 5, 4, 3, 2, 1});
  CHECK(decode(bmp(1, 1, 32, {}, {3, 2, 1, 0})).bytes == Bytes{1, 2, 3});
  const Bytes bits = decode(bmp(3, 1, 1, {1, 1, 1, 0, 9, 9, 9, 0}, {0xA0, 0, 0, 0})).bytes;
  CHECK(bits == Bytes{9, 9, 9, 1, 1, 1, 9, 9, 9});
}

TEST_CASE("a BMP of long header, of masks or of a short palette is read") {
  for (const unsigned extra : {0U, 68U, 84U}) {
    Bytes file = bmp(1, 1, 24, Bytes(extra, 0), {3, 2, 1, 0});
    file[14] = static_cast<uint8_t>(40 + extra);
    CHECK(decode(file).bytes == Bytes{1, 2, 3});
  }
  Bytes masks;
  for (const uint32_t mask : {0xFF0000U, 0xFF00U, 0xFFU}) append_le32(masks, mask);
  CHECK(decode(bmp(1, 1, 32, masks, {3, 2, 1, 9}, 3)).bytes == Bytes{1, 2, 3});
  const Bytes four = decode(bmp(3, 1, 4, {1, 1, 1, 0, 9, 9, 9, 0}, {0x10, 0x10, 0, 0})).bytes;
  CHECK(four == Bytes{9, 9, 9, 1, 1, 1, 9, 9, 9});
}

TEST_CASE("kinds of BMP that are not read are refused with a remedy") {
  Bytes os2{'B', 'M'};
  for (const uint32_t value : {0U, 0U, 26U + 6U, 12U}) append_le32(os2, value);
  append(os2, {2, 0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 4, 5, 6, 0x40, 0, 0, 0});
  os2.resize(60);
  mentions(os2, "header of 12 bytes");
  mentions(bmp(1, 1, 16, {}, {0xFF, 0x05, 0, 0}), "16 bits per pixel");
  mentions(bmp(1, 1, 8, {1, 1, 1, 0}, {1, 0, 0, 1}, 1), "compression 1); save it as PNG");
  Bytes masks;
  for (const uint32_t mask : {0xFFU, 0xFF00U, 0xFF0000U}) append_le32(masks, mask);
  mentions(bmp(1, 1, 32, masks, {3, 2, 1, 9}, 3), "compression 3");
  mentions(bmp(1, 1, 24, {1, 2, 3, 4}, {3, 2, 1, 0}), "pixels at byte 58");  // a gap
}

TEST_CASE("a damaged BMP is refused with its reason") {
  const Bytes good = bmp(1, 2, 24, {}, {3, 2, 1, 0, 6, 5, 4, 0});
  for (size_t size = 0; size < good.size(); ++size) {
    INFO("cut to " << size);
    CHECK_FALSE(reason(Bytes(good.begin(), good.begin() + static_cast<int64_t>(size))).empty());
  }
  mentions(bmp(2, 1, 8, {1, 2, 3, 0}, {1, 0, 0, 0}), "color 1 of 1");
  mentions(bmp(1, 1, 13, {}, {0, 0, 0, 0}), "13 bits");
  mentions(bmp(1, 1, 24, {}, {0, 0, 0, 0}, 1), "compression 1");
  mentions(bmp(0x80000000, 1, 24, {}, {}), "pixels");
  mentions(bmp(0x80000001, 0x7FFFFFFF, 24, {}, {}), "pixels");  // found by the fuzzer
  mentions(bmp(100, 100, 24, {}, {}), "100 x 100 pixels in 54 bytes");
}
