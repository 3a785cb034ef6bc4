// A text, plain or gzip'd.
#include "data/text/text_file.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp::test::accept_input_errors([&] {
    const std::string& path = gmlp::test::file_of(gmlp::test::view_of(data, size));
    gmlp::read_text_parts(path, [](std::string_view part) { gmlp::test::check(!part.empty()); });
  });
}
