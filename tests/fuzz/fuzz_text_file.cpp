// A text, plain or gzip'd.
#include "data/text/text_file.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp::test::accept_input_errors([&] {
    gmlp::TextFile file(gmlp::test::file_of(gmlp::test::view_of(data, size)));
    while (!file.next().empty()) {
    }
  });
}
