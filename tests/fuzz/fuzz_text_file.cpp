// A text, plain or gzip'd.
#include "data/text/text_file.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp_fuzz::survive([&] {
    gmlp::TextFile file(gmlp_fuzz::file_of(gmlp_fuzz::view_of(data, size)));
    while (!file.next().empty()) {
    }
  });
}
