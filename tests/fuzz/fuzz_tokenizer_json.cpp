// This project's tokenizer.json, a NUL, and a text for it.
#include "tests/fuzz/tokenizer_use.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp::test::accept_input_errors([&] {
    const std::pair<std::string, std::string> texts = gmlp::test::two_texts(data, size);
    gmlp::test::use_tokenizer(*gmlp::read_tokenizer_json(texts.first, "t.json"), texts.second);
  });
}
