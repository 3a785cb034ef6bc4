// NumPy's arrays.
#include "core/io/npy.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp_fuzz::survive([&] {
    const std::string& path = gmlp_fuzz::file_of(gmlp_fuzz::view_of(data, size));
    const gmlp::NpyArray array = gmlp::read_npy(path);
    gmlp_fuzz::survive([&] { array.to_tensor(gmlp::DType::kF64, path); });
    gmlp_fuzz::survive([&] { array.to_integers(path); });
  });
}
