#pragma once
// safetensors files as other programs, careless or hostile, may write them.

#include <cstring>
#include <string>

#include "core/error.h"
#include "core/io/safetensors.h"
#include "tests/support/temporary_folder.h"

namespace gmlp::test {

/// The length, the header as it is, the data.
inline std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + data;
}

/// The message with which a file of this header and data is refused; "" when it is read.
inline std::string refusal(const std::string& header, const std::string& data) {
  const TemporaryFolder folder;
  const std::string path = folder.write("x.safetensors", file_of(header, data));
  std::string message = message_of<InputError>([&] { SafetensorsFile::open(path); });
  if (!message.empty() && message.find("x.safetensors") == std::string::npos) {
    throw std::logic_error("the error does not name the file: " + message);
  }
  return message;
}

}  // namespace gmlp::test
