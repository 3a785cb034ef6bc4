// PNG, JPEG, WebP and BMP: good files decode to the expected bytes, damaged ones are refused with
// the reason.
#include "core/random.h"
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

namespace {}  // namespace

TEST_CASE("every PNG filter is undone") {
  // Each row decodes to 10 20 30; row 0 is the one above the others.
  const Bytes rows{0, 10, 20, 30,  //
                   1, 10, 10, 10,  // left
                   2, 0,  0,  0,   // up
                   3, 5,  5,  5,   // average of left and up
                   4, 0,  0,  0};  // Paeth
  const Image image = decode(png_file({png_header(3, 5, 8, 0), png_data(rows)}));
  REQUIRE(image.channels == 1);
  for (size_t y = 0; y < 5; ++y) {
    for (size_t x = 0; x < 3; ++x) CHECK(image.bytes[3 * y + x] == 10 * (x + 1));
  }
}

TEST_CASE("gray levels, 16 bits and palettes become bytes, and transparency is ignored") {
  CHECK(decode(png_file({png_header(4, 1, 2, 0), png_data({0, 0x1B})})).bytes ==
        Bytes{0, 85, 170, 255});
  CHECK(decode(png_file({png_header(1, 1, 16, 0), png_data({0, 0x12, 0xFF})})).bytes ==
        Bytes{0x12});
  const Bytes palette = png_chunk("PLTE", {1, 2, 3, 4, 5, 6});
  CHECK(decode(png_file({png_header(2, 1, 1, 3), palette, png_data({0, 0x40})})).bytes ==
        Bytes{1, 2, 3, 4, 5, 6});
  CHECK(decode(png_file({png_header(2, 1, 8, 4), png_data({0, 9, 0, 8, 128})})).bytes ==
        Bytes{9, 8});
  const Bytes key = png_chunk("tRNS", {0, 7});
  CHECK(decode(png_file({png_header(2, 1, 8, 0), key, png_data({0, 7, 8})})).bytes == Bytes{7, 8});
}

TEST_CASE("an interlaced PNG is put together from its passes") {
  // 3 x 2: passes 1 (0,0), 4 (2,0), 6 (1,0), 7 (0..2, 1).
  const Bytes rows{0, 1, 0, 3, 0, 2, 0, 4, 5, 6};
  CHECK(decode(png_file({png_header(3, 2, 8, 0, 1), png_data(rows)})).bytes ==
        Bytes{1, 2, 3, 4, 5, 6});
}

TEST_CASE("a damaged PNG is refused with its reason") {
  const Bytes header = png_header(2, 1, 8, 0);
  const Bytes data = png_data({0, 1, 2});
  const Bytes good = png_file({header, data});
  REQUIRE(reason(good).empty());
  for (size_t size = 0; size < good.size(); ++size) {
    INFO("cut to " << size);
    CHECK_FALSE(reason(Bytes(good.begin(), good.begin() + static_cast<int64_t>(size))).empty());
  }
  for (size_t i = 0; i < good.size(); ++i) {  // every byte is under a CRC or a fixed value
    Bytes bad = good;
    bad[i] ^= 0x10;
    INFO("byte " << i);
    CHECK_FALSE(reason(bad).empty());
  }
  Bytes crc = good;
  crc[30] ^= 1;
  mentions(crc, "CRC error");
  mentions(png_file({header}), "IEND: out of place");
  mentions(png_file({data, header}), "Missing IHDR");
  mentions(png_file({header, header, data}), "IHDR");
  mentions(png_file({header, png_data({0, 1})}), "Not enough image data");
  mentions(png_file({header, png_data({0, 1, 2, 3})}), "Too much image data");
  mentions(png_file({header, png_data({5, 1, 2})}), "bad adaptive filter value");
  mentions(png_file({header, png_chunk("IDAT", {1, 2, 3, 4})}), "IDAT");
  mentions(png_file({header, png_chunk("ABCD", {}), data}), "unhandled critical chunk");
  mentions(png_file({png_header(0, 1, 8, 0), data}), "width is zero");
  mentions(png_file({png_header(100000, 100000, 8, 0), data}), "exceeds user limit");
  mentions(png_file({png_header(8000, 8000, 8, 0), data}), "8000 x 8000 pixels in");
  mentions(png_file({png_header(2, 1, 8, 3), data}), "Missing PLTE");
  mentions(png_file({png_header(2, 1, 8, 3), png_chunk("PLTE", {1, 2, 3}), data}), "color 1 of 1");
  mentions(png_file({header, data, png_chunk("tEXt", {}), data}), "IDAT");
}

TEST_CASE("what an ancillary PNG chunk holds changes nothing, but its checksum must be right") {
  const Bytes header = png_header(2, 1, 8, 0);
  const Bytes data = png_data({0, 1, 2});
  for (const char* type : {"gAMA", "iCCP", "tIME", "sBIT", "abCd"}) {
    Bytes chunk = png_chunk(type, {1, 2, 3});
    CHECK(decode(png_file({header, chunk, data})).bytes == Bytes{1, 2});
    chunk.back() ^= 1;
    mentions(png_file({header, chunk, data}), "CRC error");
  }
}

TEST_CASE("a JPEG block with only a DC value is one gray") {
  const Image image = decode(TinyJpeg().file());
  REQUIRE(image.bytes.size() == 64);
  CHECK(image.channels == 1);
  for (const uint8_t byte : image.bytes) CHECK(byte == 128 + 100);  // DC 100 x 8 / 8
}

TEST_CASE("a damaged JPEG is refused with its reason") {
  const Bytes good = TinyJpeg().file();
  for (size_t size = 0; size < good.size(); ++size) {
    INFO("cut to " << size);
    CHECK_FALSE(reason(Bytes(good.begin(), good.begin() + static_cast<int64_t>(size))).empty());
  }
  const auto with = [](const std::function<void(TinyJpeg&)>& change) {
    TinyJpeg jpeg;
    change(jpeg);
    return jpeg.file();
  };
  mentions(with([](TinyJpeg& j) { j.end.clear(); }), "Premature end");
  mentions(with([](TinyJpeg& j) { j.data = {0xB2}; }), "premature end of data segment");
  mentions(with([](TinyJpeg& j) {
             j.data.assign({0xFF, 0, 0xFF, 0, 0xFF, 0});
           }),
           "bad Huffman code");
  mentions(with([](TinyJpeg& j) { j.frame[11] = 0; }), "sampling factors");
  mentions(with([](TinyJpeg& j) { j.frame[11] = 0x51; }), "sampling factors");
  mentions(with([](TinyJpeg& j) { j.frame[6] = 0; }), "Empty JPEG image");
  mentions(with([](TinyJpeg& j) { j.frame[5] = j.frame[7] = 0x60; }), "more than");
  mentions(with([](TinyJpeg& j) { j.frame[5] = j.frame[7] = 8; }), "2056 x 2056 pixels in");
  mentions(with([](TinyJpeg& j) { j.frame[4] = 12; }), "precision 12");
  mentions(with([](TinyJpeg& j) { j.frame[9] = 4; }), "length");
  mentions(with([](TinyJpeg& j) { j.frame[1] = 0xC3; }), "SOF type");
  mentions(with([](TinyJpeg& j) { j.quantization[10] = 0; }), "with a 0");
  mentions(with([](TinyJpeg& j) { j.frame[12] = 1; }), "Quantization table");
  mentions(with([](TinyJpeg& j) { j.scan[6] = 0x01; }), "Huffman table");
  mentions(with([](TinyJpeg& j) { j.dc[5] = 3; }), "Huffman table");
  mentions(with([](TinyJpeg& j) { j.dc.assign({0xFF, 0xC4, 0, 2}); }), "Huffman table");
  mentions(with([](TinyJpeg& j) { j.scan[7] = 1; }), "SOS parameters");
  mentions(with([](TinyJpeg& j) {
             j.scan.clear();
             j.data.clear();
           }),
           "damaged JPEG");
  // Some cameras write bytes in front of the end marker.
  CHECK(reason(with([](TinyJpeg& j) { j.data = {0xB2, 0x1F, 0, 0}; })).empty());
  CHECK(reason(with([](TinyJpeg& j) { append(j.dc, {0, 0}); })).empty());
}

TEST_CASE("a JPEG must have a scan of each component") {
  TinyJpeg jpeg;
  jpeg.frame = {0xFF, 0xC0, 0, 17, 8, 0, 8, 0, 8, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0};
  mentions(jpeg.file(), "without its scan");
}

TEST_CASE("an over-long or over-full Huffman table is refused") {
  TinyJpeg over_long;
  over_long.dc = {0xFF, 0xC4, 0, 19, 0};
  over_long.dc.resize(21, 255);  // sixteen times 255 codes
  mentions(over_long.file(), "Huffman table");
  TinyJpeg over_full;
  over_full.dc[5] = 3;  // three codes of one bit
  over_full.dc[3] = 23;
  append(over_full.dc, {1, 2});
  mentions(over_full.file(), "Huffman table");
}

TEST_CASE("an arithmetic-coded JPEG decodes, and a truncated one is refused") {
  TinyJpeg jpeg;
  jpeg.frame[1] = 0xC9;
  jpeg.frame[8] = 16;
  jpeg.dc = {0xFF, 0xCC, 0, 6, 0, 0x10, 0x10, 5};  // cjpeg -arithmetic
  jpeg.ac.clear();
  jpeg.data = {0xD2, 0xC1, 0x10};
  CHECK(decode(jpeg.file()).bytes == Bytes(128, 128 + 100));
  jpeg.data.pop_back();
  jpeg.end.clear();
  mentions(jpeg.file(), "Premature end");
}

TEST_CASE("padding in front of a JPEG's restart marker is read, the rest of damaged data is not") {
  const auto with = [](const Bytes& padding) {
    TinyJpeg jpeg;
    jpeg.frame[8] = 32;
    jpeg.scan.insert(jpeg.scan.begin(), {0xFF, 0xDD, 0, 4, 0, 1});  // restart after each block
    const Bytes block = jpeg.data;
    for (uint8_t i = 0; i < 3; ++i) {
      append(jpeg.data, padding);
      append(jpeg.data, {0xFF, static_cast<uint8_t>(0xD0 + i)});
      append(jpeg.data, block);
    }
    return jpeg.file();
  };
  const Bytes flat(8 * 32, 128 + 100);
  CHECK(decode(with({})).bytes == flat);
  CHECK(decode(with({0})).bytes == flat);
  CHECK(decode(with({0, 0, 0})).bytes == flat);
  CHECK(decode(with({0xFF, 0xFF})).bytes == flat);  // fill bytes are part of the marker
  mentions(with(Bytes(20, 0x3F)), "extraneous bytes before marker 0xd");
  Bytes ones(20, 0x3F);
  append(ones, {0xFF, 0});  // a 0 that is no padding
  mentions(with(ones), "extraneous bytes before marker 0xd");
  Bytes spare = with({});
  spare.insert(spare.end() - 2, {0xFF, 0xD3});
  CHECK(decode(spare).bytes == flat);
}

TEST_CASE("a PNG may end its data with an empty chunk") {
  const Bytes header = png_header(2, 1, 8, 0);
  const Bytes empty = png_chunk("IDAT", {});
  CHECK(decode(png_file({header, png_data({0, 1, 2}), empty})).bytes == Bytes{1, 2});
  CHECK(decode(png_file({header, empty, png_data({0, 1, 2}), empty, empty})).bytes == Bytes{1, 2});
}

TEST_CASE("random damage to any of the four formats never crashes the decoder") {
  const std::vector<Bytes> seeds{plain_png(4, 1, 2, 3), TinyJpeg().file(),
                                 bmp(1, 2, 24, {}, {3, 2, 1, 0, 6, 5, 4, 0}), tiny_webp()};
  int64_t refused = 0;
  for (uint64_t trial = 0; trial < 3000; ++trial) {
    gmlp::Random random(1, gmlp::Purpose::kSample, 0, trial);
    Bytes bytes = seeds[trial % seeds.size()];
    for (int flips = 0; flips < 3; ++flips) {
      bytes[static_cast<size_t>(random.below(static_cast<int64_t>(bytes.size())))] =
          static_cast<uint8_t>(random.next_u32());
    }
    refused += reason(bytes).empty() ? 0 : 1;
  }
  CHECK(refused > 1500);
}

TEST_CASE("an absent, empty or foreign file is named") {
  TemporaryFolder folder;
  CHECK(input_error([&] { gmlp::decode_image(folder / "none.png"); }).find("none.png") !=
        std::string::npos);
  folder.write("empty.png", "");
  CHECK(input_error([&] { gmlp::decode_image(folder / "empty.png"); }).find("is empty") !=
        std::string::npos);
  mentions({'G', 'I', 'F', '8', '9', 'a'}, "not a PNG, JPEG, BMP or WebP");
}
