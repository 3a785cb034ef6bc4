// PNG, JPEG, WebP and BMP, with and without a JPEG's pixels.
#include "data/vision/dataset.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gmlp::test::memory_limit = int64_t{1} << 30;  // 8 bytes per pixel are allowed, too
  const auto decode = [&](bool header_only) {
    return gmlp::decode_image_bytes(data, static_cast<int64_t>(size), "input", header_only);
  };
  gmlp::test::accept_input_errors([&] { decode(true); });
  bool decoded = false;
  gmlp::Image image;
  gmlp::test::accept_input_errors([&] {
    image = decode(false);
    decoded = true;
    gmlp::test::check(std::ssize(image.bytes) == image.elements());
    image.bytes = {};
  });
  if (!decoded) return 0;
  // What can be decoded has a header that says the same; it must not be refused.
  const gmlp::Image header = decode(true);
  gmlp::test::check(header.height * header.width == image.height * image.width &&
                    header.channels == image.channels);
  return 0;
}
