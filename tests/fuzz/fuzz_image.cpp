// PNG, JPEG, WebP and BMP.
#include "data/vision/image_decode.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gmlp::test::memory_limit = int64_t{1} << 30;  // 8 bytes per pixel are allowed, too
  return gmlp::test::accept_input_errors([&] {
    const gmlp::Image image = gmlp::decode_image_bytes(data, static_cast<int64_t>(size), "input");
    const int64_t bytes = image.height * image.width * image.channels;
    gmlp::test::check(static_cast<int64_t>(image.bytes.size()) == bytes);
  });
}
