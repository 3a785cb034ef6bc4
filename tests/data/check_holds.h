#pragma once
// What a message has to say.

#include <string>

#include "tests/support/catch.h"

namespace gmlp::test {

inline void check_holds(const std::string& text, const std::string& words) {
  INFO(text);
  CHECK(text.find(words) != std::string::npos);
}

}  // namespace gmlp::test
