#pragma once
// A file that TensorBoard reads: numbers and pictures of a run by step.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "apps/export/protobuf.h"

namespace gmlp {

/// CRC-32C (Castagnoli); of "123456789" it is 0xE3069283.
uint32_t crc32c(std::string_view bytes);

class EventFile {
 public:
  /// Writes nothing if `folder` is empty. A new file begins with the first numbers. TensorBoard
  /// reads all files of a folder and drops what earlier ones have from that step on.
  explicit EventFile(const std::string& folder) : folder_(folder) {}

  // Both throw RunError (a full disk).
  void add_scalars(int64_t step, const std::map<std::string, double>& scalars);
  void add_png(int64_t step, const std::string& tag, const std::string& png);

 private:
  void append(int64_t step, const Message& contents);

  const std::string folder_;
  std::string path_;
};

}  // namespace gmlp
