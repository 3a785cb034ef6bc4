#pragma once
// A file that TensorBoard reads: numbers and pictures of a run by step. It is a row of records,
// each with one message of protobuf:
//
//   record   length (u64), masked CRC-32C of these 8 bytes, Event, masked CRC-32C of the Event
//   Event    1 wall_time, 2 step, then 3 file_version, 5 summary or 7 session_log { 1 status }
//   Summary  1 value { 1 tag, 2 simple_value, 4 image { 1 height, 2 width, 3 colors, 4 PNG } }
//
// Formats: github.com/tensorflow/tensorflow, record_writer.h, event.proto and summary.proto

#include <bit>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <unistd.h>

#include "apps/export/protobuf.h"
#include "apps/train/run_folder.h"

namespace gmlp {

/// CRC-32C (Castagnoli); of "123456789" it is 0xE3069283.
inline uint32_t crc32c(std::string_view bytes) {
  constexpr uint32_t kPolynomial = 0x82F63B78;  // the lowest bit is the highest power
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc % 2 * kPolynomial);
  }
  return ~crc;
}

class EventFile {
 public:
  /// Writes nothing if `folder` is empty. A new file begins with the first numbers. TensorBoard
  /// reads all files of a folder and drops what earlier ones have from that step on.
  explicit EventFile(const std::string& folder) : folder_(folder) {}

  // Both throw RunError (a full disk).
  void add_scalars(int64_t step, const std::map<std::string, double>& scalars) {
    Message summary;
    for (const auto& [tag, value] : scalars) {
      summary.add(1, Message().add(1, tag).add(2, static_cast<float>(value)));
    }
    append(step, Message().add(5, summary));
  }

  void add_png(int64_t step, const std::string& tag, const std::string& png) {
    // Big-endian in the PNG's first chunk. The upper two bytes are 0.
    const auto size = [&](size_t place) {
      return int64_t{static_cast<uint8_t>(png[place + 2])} << 8 |
             static_cast<uint8_t>(png[place + 3]);
    };
    Message image;
    image.add(1, size(20)).add(2, size(16)).add(3, int64_t{3}).add(4, png);
    append(step, Message().add(5, Message().add(1, Message().add(1, tag).add(4, image))));
  }

 private:
  static std::string little_endian(auto number) {
    return {reinterpret_cast<const char*>(&number), sizeof number};
  }

  /// Changed as TensorFlow does, because the CRC of bytes that hold their CRC is always the same.
  static std::string masked_crc(std::string_view bytes) {
    return little_endian(std::rotr(crc32c(bytes), 15) + 0xA282EAD8U);
  }

  void append(int64_t step, const Message& contents) {
    if (folder_.empty()) return;
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    if (path_.empty()) {
      make_folders(folder_);
      path_ = fmt::format("{}/events.out.tfevents.{:.0f}.{}", folder_, now.count(), getpid());
      append(0, Message().add(3, "brain.Event:2"));
      append(step, Message().add(7, Message().add(1, int64_t{1})));  // the session's start
    }
    const std::string event = Message().add(1, now.count()).add(2, step).bytes + contents.bytes;
    const std::string length = little_endian(uint64_t{event.size()});
    std::ofstream file(path_, std::ios::binary | std::ios::app);
    file << length + masked_crc(length) + event + masked_crc(event);
    if (!file.flush()) fail_system(path_, "written");
  }

  const std::string folder_;
  std::string path_;
};

}  // namespace gmlp
