// A JPEG file is a list of segments, FF xx and (mostly) a 16-bit length: SOI, tables and comments,
// SOFn (size and components), then scans, SOS with entropy-coded data after it, EOI. This file
// checks the segments; jpeg_scan.cpp walks the data of a scan.
#include <algorithm>
#include <array>

#include "data/vision/byte_reader.h"
#include "data/vision/image_check.h"
#include "data/vision/jpeg_scan.h"

namespace gmlp {
namespace {

// Few bytes can announce much work: a scan of nothing but end-of-band runs costs one byte for
// thousands of blocks. Ordinary progressive files have about ten scans.
constexpr int kMaxScans = 100;
constexpr int64_t kMaxBlockVisits = int64_t{32} << 20;

class JpegChecker {
 public:
  JpegChecker(const uint8_t* data, int64_t size, const std::string& path)
      : data_(data), size_(size), reader_(data, size, path) {}

  ImageInfo check() {
    reader_.skip(2, "the JPEG start marker");  // SOI, seen by the caller
    while (true) {
      const uint32_t marker = next_marker();
      if (marker == 0xD9) break;
      if (marker == 0xDA) {
        read_scan();
      } else {
        read_segment(marker);
      }
    }
    check_complete();
    const int64_t channels = static_cast<int64_t>(frame_.components.size());
    return {ImageFormat::kJpeg, frame_.height, frame_.width, channels};
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const { bad_image(reader_.path(), reason); }

  /// Markers may be led by any number of FF.
  uint32_t next_marker() {
    if (reader_.u8("the JPEG segments (the end marker is missing)") != 0xFF) {
      fail(fmt::format("no JPEG marker at byte {}", reader_.position() - 1));
    }
    uint32_t marker = 0xFF;
    while (marker == 0xFF) marker = reader_.u8("a JPEG marker");
    return marker;
  }

  /// Everything but a scan: a frame, a table, the restart interval, or text that is passed over.
  void read_segment(uint32_t marker) {
    const bool frame = marker == 0xC0 || marker == 0xC1 || marker == 0xC2;
    const bool text = (marker >= 0xE0 && marker <= 0xEF) || marker == 0xFE;
    if (marker >= 0xC3 && marker <= 0xCF && marker != 0xC4) {
      fail(fmt::format("JPEG coding {:#x} (lossless, hierarchical or arithmetic) is not read",
                       marker));
    }
    if (!frame && !text && marker != 0xC4 && marker != 0xDB && marker != 0xDD) {
      fail(fmt::format("unexpected JPEG marker {:#x}", marker));
    }
    const int64_t length = reader_.u16_be("a JPEG segment");
    if (length < 2) fail("a JPEG segment shorter than its length");
    reader_.need(length - 2, "a JPEG segment");
    const int64_t end = reader_.position() + length - 2;
    if (frame) read_frame(marker, length);
    if (marker == 0xC4) read_huffman(end);
    if (marker == 0xDB) read_quantization(end);
    if (marker == 0xDD) {
      if (length != 4) fail("a JPEG restart interval of the wrong length");
      restart_interval_ = reader_.u16_be("the restart interval");
    }
    reader_.seek(end);
  }

  /// One or more tables: a byte (precision, number), then 64 values.
  void read_quantization(int64_t end) {
    // Sequential decoding uses a table at once, progressive at the end: only before the first scan
    // do all decoders agree.
    if (frame_.progressive && scans_ > 0) fail("JPEG quantisation changes between scans");
    while (reader_.position() < end) {
      const uint32_t head = reader_.u8("a quantisation table");
      const bool wide = head >> 4 == 1;
      if (head >> 4 > 1 || (head & 15) > 3) fail("an invalid JPEG quantisation table");
      if (end - reader_.position() < (wide ? 128 : 64)) fail("a short JPEG quantisation table");
      for (int i = 0; i < 64; ++i) {
        const uint32_t value = wide ? reader_.u16_be("a table") : reader_.u8("a table");
        if (value == 0) fail("a JPEG quantisation table with a 0");
      }
      quantization_[head & 15] = true;
    }
  }

  /// One or more tables: a byte (class, number), 16 counts by length, then the symbols.
  void read_huffman(int64_t end) {
    while (reader_.position() < end) {
      const uint32_t head = reader_.u8("a Huffman table");
      if (head >> 4 > 1 || (head & 15) > 3) fail("an invalid JPEG Huffman table");
      if (end - reader_.position() < 16) fail("a short JPEG Huffman table");
      const uint8_t* counts = reader_.here();
      int64_t total = 0;
      for (int i = 0; i < 16; ++i) total += counts[i];
      // An array of 256 behind stb_image's pointer. 8-bit JPEG needs 176; the 256th confuses its
      // fast lookup.
      if (total > 255) fail(fmt::format("a JPEG Huffman table of {} codes", total));
      reader_.skip(16, "a Huffman table");
      if (end - reader_.position() < total) fail("a short JPEG Huffman table");
      HuffmanTable& table = huffman_[head >> 4][head & 15];
      if (!table.build(counts, reader_.here())) fail("an over-full JPEG Huffman table");
      reader_.skip(total, "a Huffman table");
    }
  }

  /// SOF0, 1 or 2: precision, height, width, then three bytes a component.
  void read_frame(uint32_t marker, int64_t length) {
    if (!frame_.components.empty()) fail("a second JPEG frame");
    if (length < 8) fail("a short JPEG frame header");
    frame_.progressive = marker == 0xC2;
    const uint32_t precision = reader_.u8("the frame");
    frame_.height = reader_.u16_be("the frame");
    frame_.width = reader_.u16_be("the frame");
    const int64_t count = reader_.u8("the frame");
    if (precision != 8) fail(fmt::format("a JPEG of {} bits a sample (8 are read)", precision));
    check_dimensions(frame_.height, frame_.width, reader_.path());
    if (count == 4) fail_input("{}: a CMYK JPEG; convert it to RGB", reader_.path());
    if (count != 1 && count != 3) fail(fmt::format("a JPEG of {} components", count));
    if (length != 8 + 3 * count) fail("a JPEG frame header of the wrong length");
    frame_.components.resize(static_cast<size_t>(count));
    for (JpegComponent& component : frame_.components) read_component(component);
    lay_out();
  }

  void read_component(JpegComponent& component) {
    component.id = static_cast<int>(reader_.u8("a component"));
    const uint32_t factors = reader_.u8("a component");
    component.horizontal = static_cast<int>(factors >> 4);
    component.vertical = static_cast<int>(factors & 15);
    component.quantization = static_cast<int>(reader_.u8("a component"));
    if (component.horizontal < 1 || component.horizontal > 4 || component.vertical < 1 ||
        component.vertical > 4 || component.quantization > 3) {
      fail("a JPEG component with invalid sampling or table");
    }
    component.bit.fill(-1);
  }

  /// Sizes in blocks, from the components' sampling relative to the largest.
  void lay_out() {
    int horizontal = 1;
    int vertical = 1;
    for (const JpegComponent& component : frame_.components) {
      horizontal = std::max(horizontal, component.horizontal);
      vertical = std::max(vertical, component.vertical);
    }
    frame_.mcus_wide = (frame_.width + 8 * horizontal - 1) / (8 * horizontal);
    frame_.mcus_high = (frame_.height + 8 * vertical - 1) / (8 * vertical);
    for (JpegComponent& component : frame_.components) {
      if (horizontal % component.horizontal != 0 || vertical % component.vertical != 0) {
        fail("JPEG sampling by a fraction");
      }
      const int64_t across = horizontal / component.horizontal;
      const int64_t down = vertical / component.vertical;
      component.blocks_wide = ((frame_.width + across - 1) / across + 7) / 8;
      component.blocks_high = ((frame_.height + down - 1) / down + 7) / 8;
      component.stride = frame_.mcus_wide * component.horizontal;
    }
  }

  /// SOS: which components with which tables, then what part of the coefficients.
  JpegScan read_scan_header() {
    JpegScan scan;
    const int64_t length = reader_.u16_be("a scan header");
    const int64_t count = reader_.u8("a scan header");
    if (count < 1 || count > static_cast<int64_t>(frame_.components.size()) ||
        length != 6 + 2 * count) {
      fail("a JPEG scan with a wrong number of components");
    }
    int blocks = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int id = static_cast<int>(reader_.u8("a scan header"));
      const uint32_t tables = reader_.u8("a scan header");
      const std::vector<JpegComponent>::iterator found =
          std::find_if(frame_.components.begin(), frame_.components.end(),
                       [&](const JpegComponent& component) { return component.id == id; });
      if (found == frame_.components.end() || tables >> 4 > 3 || (tables & 15) > 3) {
        fail("a JPEG scan of an unknown component or table");
      }
      JpegComponent* component = &*found;
      // In the frame's order, so none twice (T.81 B.2.3).
      if (!scan.components.empty() && component <= scan.components.back()) {
        fail("a JPEG scan that repeats or reorders components");
      }
      if (!quantization_[static_cast<size_t>(component->quantization)]) {
        fail("a JPEG quantisation table that is used but not defined");
      }
      scan.components.push_back(component);
      scan.dc.push_back(&huffman_[0][tables >> 4]);
      scan.ac.push_back(&huffman_[1][tables & 15]);
      blocks += component->horizontal * component->vertical;
    }
    if (count > 1 && blocks > 10) fail("a JPEG scan of more than ten blocks a unit");
    scan.first = static_cast<int>(reader_.u8("a scan header"));
    scan.last = static_cast<int>(reader_.u8("a scan header"));
    const int approximation = static_cast<int>(reader_.u8("a scan header"));
    scan.high = approximation >> 4;
    scan.low = approximation & 15;
    scan.restart_interval = restart_interval_;
    return scan;
  }

  /// A scan header and the data after it.
  void read_scan() {
    if (frame_.components.empty()) fail("a JPEG scan before its frame");
    JpegScan scan = read_scan_header();
    check_progression(scan);
    // A DC refinement is plain bits and needs no table.
    const bool dc = scan.first == 0 && scan.high == 0;
    const bool ac = !frame_.progressive || scan.first > 0;
    for (size_t i = 0; i < scan.components.size(); ++i) {
      if ((dc && !scan.dc[i]->defined()) || (ac && !scan.ac[i]->defined())) {
        fail("a JPEG Huffman table that is used but not defined");
      }
      if (frame_.progressive && scan.components[i]->nonzero.empty()) allocate(*scan.components[i]);
    }
    block_visits_ += scan.blocks(frame_);
    if (++scans_ > kMaxScans || block_visits_ > kMaxBlockVisits) {
      fail("a JPEG of too many scans");
    }
    EntropyReader entropy(data_, size_, reader_.position(), reader_.path());
    check_scan(frame_, scan, entropy);
    reader_.seek(entropy.position());
  }

  /// Eight bytes a block, an eighth of what the decoder will take.
  void allocate(JpegComponent& component) const {
    component.nonzero.resize(
        static_cast<size_t>(component.stride * frame_.mcus_high * component.vertical));
  }

  /// Every coefficient comes once, then bit by bit. stb_image starts from memory that it did not
  /// clear, so that a refinement of nothing would show it.
  void check_progression(const JpegScan& scan) {
    if (!frame_.progressive) {
      if (scan.first != 0 || scan.last != 63 || scan.high != 0 || scan.low != 0) {
        fail("a sequential JPEG scan with progressive parameters");
      }
    } else if (scan.last > 63 || scan.first > scan.last || scan.low > 13 ||
               (scan.first == 0 && scan.last != 0) ||
               (scan.first > 0 && scan.components.size() > 1) ||
               (scan.high != 0 && scan.low != scan.high - 1)) {
      fail("a JPEG scan with invalid progressive parameters");
    }
    for (JpegComponent* component : scan.components) {
      if (scan.first > 0 && component->bit[0] < 0) fail("a JPEG AC scan before its DC scan");
      for (int k = scan.first; k <= scan.last; ++k) {
        int8_t& bit = component->bit[static_cast<size_t>(k)];
        if (bit != (scan.high == 0 ? -1 : scan.high)) {
          fail("a JPEG scan that repeats or skips part of the picture");
        }
        bit = static_cast<int8_t>(scan.low);
      }
    }
  }

  /// A component without its scan would show what happened to be in memory.
  void check_complete() const {
    if (frame_.components.empty()) fail("a JPEG without a frame");
    for (const JpegComponent& component : frame_.components) {
      if (component.bit[0] < 0) fail("a JPEG that lacks the scan of a component");
    }
  }

  const uint8_t* data_;
  int64_t size_;
  ByteReader reader_;
  JpegFrame frame_;
  std::array<bool, 4> quantization_{};
  std::array<std::array<HuffmanTable, 4>, 2> huffman_;  // DC, AC
  int64_t restart_interval_ = 0;
  int scans_ = 0;
  int64_t block_visits_ = 0;
};

}  // namespace

ImageInfo check_jpeg(const uint8_t* data, int64_t size, const std::string& path) {
  return JpegChecker(data, size, path).check();
}

}  // namespace gmlp
