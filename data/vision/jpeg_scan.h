#pragma once
// One scan of a JPEG, walked code by code without computing a pixel. It proves that the
// entropy-coded data are complete and valid. ITU-T T.81, annexes F (sequential) and G
// (progressive).

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gmlp {

/// A canonical Huffman table (T.81 annex C).
class HuffmanTable {
 public:
  bool defined() const { return defined_; }
  /// counts[i] codes of i + 1 bits, then the symbols in order; at most 255 of them. False when the
  /// codes do not fit their lengths.
  bool build(const uint8_t* counts, const uint8_t* symbols);
  /// The symbol at the top of 16 bits and its length; length 0 when no code matches.
  struct Code {
    uint8_t symbol = 0;
    uint8_t length = 0;
  };
  Code find(uint32_t bits16) const {
    const Code quick = quick_[bits16 >> 8];
    return quick.length != 0 ? quick : find_long(bits16);
  }

 private:
  Code find_long(uint32_t bits16) const;

  bool defined_ = false;
  std::array<Code, 256> quick_{};     // codes of up to 8 bits, by the first 8 bits
  std::array<int32_t, 17> end_{};     // by length: one past the last code
  std::array<int32_t, 17> offset_{};  // by length: index of a code's symbol, minus the code
  std::array<uint8_t, 256> symbols_{};
};

/// Entropy-coded bytes as bits: FF 00 is the byte FF, any other FF xx ends the data.
class EntropyReader {
 public:
  EntropyReader(const uint8_t* data, int64_t size, int64_t position, const std::string& path)
      : data_(data), size_(size), position_(position), path_(path) {}
  int decode(const HuffmanTable& table);
  int bits(int count);  ///< 0..16 bits
  /// Drops the padding of the last byte; throws when more than padding is left.
  void finish();
  int64_t position() const { return position_; }
  void restart(int expected);  ///< finish(), then the marker RSTn
  [[noreturn]] void fail(const std::string& reason) const;

 private:
  void fill();

  const uint8_t* data_;
  int64_t size_;
  int64_t position_;
  const std::string& path_;
  uint64_t buffer_ = 0;  // the next bits, from the top
  int count_ = 0;
};

struct JpegComponent {
  int id = 0;
  int horizontal = 1;  // sampling factors, 1..4
  int vertical = 1;
  int quantization = 0;
  int64_t blocks_wide = 0;  // that hold pixels
  int64_t blocks_high = 0;
  int64_t stride = 0;             // blocks in a row with the padding of interleaved scans
  std::array<int8_t, 64> bit{};   // per coefficient: the lowest bit received, -1 none yet
  std::vector<uint64_t> nonzero;  // progressive: per block, the coefficients that are not 0
  int prediction = 0;
};

struct JpegFrame {
  bool progressive = false;
  int64_t height = 0;
  int64_t width = 0;
  int64_t mcus_wide = 0;
  int64_t mcus_high = 0;
  std::vector<JpegComponent> components;
};

struct JpegScan {
  std::vector<JpegComponent*> components;
  std::vector<const HuffmanTable*> dc;  // per component; not defined() where not needed
  std::vector<const HuffmanTable*> ac;
  int first = 0;  // coefficients first..last, in zigzag order
  int last = 63;
  int high = 0;  // successive approximation: refines from bit `high` (0: first) to `low`
  int low = 0;
  int64_t restart_interval = 0;  // MCUs; 0: none
  int64_t blocks(const JpegFrame& frame) const;
};

/// Walks the scan. Throws InputError when the data end early or late or are invalid.
void check_scan(const JpegFrame& frame, const JpegScan& scan, EntropyReader& reader);

}  // namespace gmlp
