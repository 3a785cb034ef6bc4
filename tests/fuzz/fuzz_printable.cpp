// What is printed of a file: no byte of it controls a terminal.
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = gmlp::printable(gmlp::test::view_of(data, size), std::string::npos);
  for (const char c : text) gmlp::test::check(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  for (const char* hidden :
       {"\u0085", "\u009b", "\u061c", "\u200f", "\u2028", "\u202e", "\u2066"}) {
    gmlp::test::check(text.find(hidden) == std::string::npos);
  }
  gmlp::test::check(gmlp::printable(text, std::string::npos) == text);
  return 0;
}
