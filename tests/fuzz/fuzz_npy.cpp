// NumPy's arrays.
#include "core/io/npy.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp::test::accept_input_errors([&] {
    const std::string& path = gmlp::test::file_of(gmlp::test::view_of(data, size));
    const gmlp::NpyArray array = gmlp::read_npy(path);
    gmlp::test::accept_input_errors([&] { array.to_tensor(gmlp::DType::kF64, path); });
    gmlp::test::accept_input_errors([&] { array.to_integers(path); });
  });
}
