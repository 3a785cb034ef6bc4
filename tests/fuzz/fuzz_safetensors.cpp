// A weights file: header, offsets, and every tensor's values.
#include "core/io/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/read_integers.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp::test::accept_input_errors([&] {
    const std::string& path = gmlp::test::file_of(gmlp::test::view_of(data, size));
    const gmlp::SafetensorsFile file = gmlp::SafetensorsFile::open(path);
    for (const gmlp::SafetensorsFile::Entry& entry : file.entries()) {
      gmlp::test::accept_input_errors([&] { file.read(entry.name, gmlp::DType::kF64); });
      gmlp::test::accept_input_errors([&] { gmlp::test::read_integers(file, entry.name); });
    }
  });
}
