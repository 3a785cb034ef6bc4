// The walk reads exactly the bits that stb_image will read, in the same order, and refuses wherever
// that decoder would leave the data, a block, a band or the range of its shorts.
#include "data/vision/jpeg_scan.h"

#include <cstdlib>

#include "data/vision/image_check.h"

namespace gmlp {

bool HuffmanTable::build(const uint8_t* counts, const uint8_t* symbols) {
  *this = HuffmanTable();
  int32_t code = 0;
  int32_t index = 0;
  for (int length = 1; length <= 16; ++length) {
    const int32_t codes = counts[length - 1];
    offset_[static_cast<size_t>(length)] = index - code;
    if (code + codes > 1 << length) return false;  // more codes than bit patterns
    for (int32_t i = 0; i < codes; ++i, ++code, ++index) {
      const Code entry{symbols[index], static_cast<uint8_t>(length)};
      symbols_[static_cast<size_t>(index)] = symbols[index];
      if (length > 8) continue;
      // Every byte that starts with this code finds it.
      const int32_t begin = code << (8 - length);
      const int32_t end = (code + 1) << (8 - length);
      for (int32_t k = begin; k < end; ++k) quick_[static_cast<size_t>(k)] = entry;
    }
    end_[static_cast<size_t>(length)] = code;
    code <<= 1;
  }
  defined_ = true;
  return true;
}

HuffmanTable::Code HuffmanTable::find_long(uint32_t bits16) const {
  // Canonical codes of one length are consecutive, and all shorter codes lie below.
  for (size_t length = 9; length <= 16; ++length) {
    const int32_t code = static_cast<int32_t>(bits16 >> (16 - length));
    if (code < end_[length]) {
      const int32_t index = code + offset_[length];
      return {symbols_[static_cast<size_t>(index)], static_cast<uint8_t>(length)};
    }
  }
  return {};
}

void EntropyReader::fail(const std::string& reason) const {
  bad_image(path_, fmt::format("JPEG data near byte {}: {}", position_, reason));
}

void EntropyReader::fill() {
  // Unlike stb_image, which pads with zeros past a marker, count_ holds real bits only.
  while (count_ <= 56 && position_ < size_) {
    const uint64_t byte = data_[position_];
    if (byte == 0xFF) {
      if (position_ + 1 >= size_ || data_[position_ + 1] != 0)
        return;  // a marker, or the file's end
      ++position_;
    }
    ++position_;
    buffer_ |= byte << (56 - count_);
    count_ += 8;
  }
}

int EntropyReader::decode(const HuffmanTable& table) {
  if (count_ < 16) fill();
  const HuffmanTable::Code code = table.find(static_cast<uint32_t>(buffer_ >> 48));
  if (code.length == 0) fail("an invalid Huffman code");
  if (code.length > count_) fail("the picture is cut off");
  buffer_ <<= code.length;
  count_ -= code.length;
  return code.symbol;
}

int EntropyReader::bits(int count) {
  if (count == 0) return 0;
  if (count_ < count) fill();
  if (count_ < count) fail("the picture is cut off");
  const int value = static_cast<int>(buffer_ >> (64 - count));
  buffer_ <<= count;
  count_ -= count;
  return value;
}

void EntropyReader::finish() {
  fill();
  if (count_ >= 8) fail("more data than pixels");
  buffer_ = 0;
  count_ = 0;
}

void EntropyReader::restart(int expected) {
  finish();
  while (position_ + 1 < size_ && data_[position_] == 0xFF && data_[position_ + 1] == 0xFF) {
    ++position_;  // fill bytes
  }
  if (position_ + 1 >= size_ || data_[position_ + 1] != 0xD0 + expected) {
    fail(fmt::format("restart marker {} is missing", expected));
  }
  position_ += 2;
}

int64_t JpegScan::blocks(const JpegFrame& frame) const {
  if (components.size() == 1) return components[0]->blocks_wide * components[0]->blocks_high;
  // Interleaved: whole units, padding included.
  int64_t in_mcu = 0;
  for (const JpegComponent* component : components) {
    in_mcu += component->horizontal * component->vertical;
  }
  return in_mcu * frame.mcus_wide * frame.mcus_high;
}

namespace {

/// Walks one scan's blocks in the order of the file.
class ScanWalker {
 public:
  ScanWalker(const JpegFrame& frame, const JpegScan& scan, EntropyReader& reader)
      : frame_(frame), scan_(scan), reader_(reader) {}

  void walk() {
    // A scan of one component has no units: its blocks come row by row, without padding (T.81
    // A.2.2).
    const bool single = scan_.components.size() == 1;
    const int64_t wide = single ? scan_.components[0]->blocks_wide : frame_.mcus_wide;
    const int64_t high = single ? scan_.components[0]->blocks_high : frame_.mcus_high;
    for (JpegComponent* component : scan_.components) component->prediction = 0;
    for (int64_t mcu = 0; mcu < wide * high; ++mcu) {
      if (mcu > 0 && scan_.restart_interval > 0 && mcu % scan_.restart_interval == 0) {
        restart(static_cast<int>((mcu / scan_.restart_interval - 1) % 8));
      }
      if (single) {
        block(0, mcu / wide, mcu % wide);
      } else {
        interleaved(mcu / wide, mcu % wide);
      }
    }
    if (end_of_band_run_ != 0) reader_.fail("an end-of-band run leaves the picture");
    reader_.finish();
  }

 private:
  void restart(int expected) {
    if (end_of_band_run_ != 0) reader_.fail("an end-of-band run crosses a restart");
    reader_.restart(expected);
    for (JpegComponent* component : scan_.components) component->prediction = 0;
  }

  /// One unit: of every component, its share of blocks.
  void interleaved(int64_t row, int64_t column) {
    for (size_t i = 0; i < scan_.components.size(); ++i) {
      const JpegComponent& component = *scan_.components[i];
      for (int y = 0; y < component.vertical; ++y) {
        for (int x = 0; x < component.horizontal; ++x) {
          block(i, row * component.vertical + y, column * component.horizontal + x);
        }
      }
    }
  }

  /// One block of the i-th component of the scan, by the kind of scan.
  void block(size_t i, int64_t row, int64_t column) {
    JpegComponent& component = *scan_.components[i];
    if (!frame_.progressive) {
      dc_first(component, *scan_.dc[i]);
      sequential_ac(*scan_.ac[i]);
    } else if (scan_.first == 0) {
      if (scan_.high == 0) {
        dc_first(component, *scan_.dc[i]);
      } else {
        reader_.bits(1);
      }
    } else {
      uint64_t& nonzero = component.nonzero[static_cast<size_t>(row * component.stride + column)];
      if (scan_.high == 0) {
        ac_first(*scan_.ac[i], nonzero);
      } else {
        ac_refine(*scan_.ac[i], nonzero);
      }
    }
  }

  /// A difference to the previous block's DC: its number of bits, then the bits (T.81 F.2.2.1).
  void dc_first(JpegComponent& component, const HuffmanTable& table) {
    const int size = reader_.decode(table);
    if (size > 15) reader_.fail("a DC difference of more than 15 bits");
    if (size > 0) {
      const int bits = reader_.bits(size);
      component.prediction += bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits;
    }
    // stb_image multiplies this by a 16-bit factor in an int.
    if (std::abs(component.prediction) > 32767 >> scan_.low)
      reader_.fail("a DC value out of range");
  }

  /// Run of zeros and size in one symbol, then the bits; 0 ends the block, F0 is 16 zeros
  /// (F.2.2.2).
  void sequential_ac(const HuffmanTable& table) {
    for (int k = 1; k < 64;) {
      const int code = reader_.decode(table);
      const int size = code & 15;
      if (size == 0) {
        if (code != 0xF0) return;  // end of block
        k += 16;
      } else {
        k += code >> 4;
        reader_.bits(size);
        ++k;
      }
      if (k > 64) reader_.fail("a run leaves its block");
    }
  }

  /// The same within a band, with runs of blocks that end here (G.1.2.2).
  void ac_first(const HuffmanTable& table, uint64_t& nonzero) {
    if (end_of_band_run_ > 0) {
      --end_of_band_run_;
      return;
    }
    for (int k = scan_.first; k <= scan_.last;) {
      const int code = reader_.decode(table);
      const int run = code >> 4;
      const int size = code & 15;
      if (size == 0 && run < 15) {
        end_of_band_run_ = (1 << run) - 1 + reader_.bits(run);
        return;
      }
      k += run;
      if (k > scan_.last) reader_.fail("a run leaves its band");
      if (size > 0) {
        // Beyond 15 bits stb_image's short wraps, perhaps to 0, and refining would lose step.
        if (size + scan_.low > 15) reader_.fail("a coefficient out of range");
        reader_.bits(size);
        nonzero |= uint64_t{1} << k;
      }
      ++k;
    }
  }

  /// One more bit for what is nonzero, and new coefficients of size 1 between them (G.1.2.3). How
  /// many bits that takes depends on what earlier scans said: hence `nonzero`.
  void ac_refine(const HuffmanTable& table, uint64_t& nonzero) {
    int k = scan_.first;
    while (end_of_band_run_ == 0 && k <= scan_.last) {
      const int code = reader_.decode(table);
      int run = code >> 4;
      const int size = code & 15;
      if (size > 1) reader_.fail("a refinement of more than one bit");
      if (size == 0 && run < 15) {
        end_of_band_run_ = (1 << run) + reader_.bits(run);
        break;
      }
      if (size == 1) reader_.bits(1);  // the new coefficient's sign
      k = skip_zeros(k, run, nonzero);
      if (k > scan_.last) reader_.fail("a run leaves its band");
      if (size == 1) nonzero |= uint64_t{1} << k;
      ++k;
    }
    if (end_of_band_run_ > 0) {
      skip_zeros(k, 64, nonzero);
      --end_of_band_run_;
    }
  }

  /// Passes `run` zeros, a correction bit for each nonzero on the way; the next zero's position.
  int skip_zeros(int k, int run, uint64_t nonzero) {
    for (; k <= scan_.last; ++k) {
      if ((nonzero >> k & 1) != 0) {
        reader_.bits(1);
      } else if (run-- == 0) {
        break;
      }
    }
    return k;
  }

  const JpegFrame& frame_;
  const JpegScan& scan_;
  EntropyReader& reader_;
  int end_of_band_run_ = 0;  // blocks yet to come whose band is all zeros
};

}  // namespace

void check_scan(const JpegFrame& frame, const JpegScan& scan, EntropyReader& reader) {
  ScanWalker(frame, scan, reader).walk();
}

}  // namespace gmlp
