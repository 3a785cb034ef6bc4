// A SentencePiece .model. Its library is not instrumented, so ASan sees only what its allocations
// show.
#include "tests/fuzz/tokenizer_use.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gmlp::test::accept_input_errors([&] {
    const std::string model(gmlp::test::view_of(data, size));
    gmlp::test::use_tokenizer(*gmlp::read_sentencepiece(model, "t.model"),
                              "The \u00e9\u2126\ufb01 \uff21\u65e5 [MASK] \x01\n\tx\u0301.");
  });
}
