// What is printed and came from a file controls no terminal.
#include "core/error.h"

#include <fmt/ranges.h>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace gmlp {
namespace {

TEST_CASE("text of any language is printable as it is") {
  for (const char* text : {"", "boot", "naïve", "日本語", "עברית", "👩\u200D🚀", "a\\b 'c' \"d\""}) {
    CHECK(printable(text) == text);
  }
}

TEST_CASE("what could control the terminal becomes a visible escape") {
  CHECK(printable("\x1b[31ma\x1b]0;title\x07") == "\\x1b[31ma\\x1b]0;title\\x07");
  CHECK(printable(std::string("a\0b\r\n\tc\x7f", 8)) == "a\\x00b\\x0d\\n\\tc\\x7f");
  CHECK(printable("\u0080 \u009b2J \u009f \u00a0") == "\\u0080 \\u009b2J \\u009f \u00a0");
  CHECK(printable("\u202eevil\u202c \u2066 \u2069 \u200e \u200f \u061c") ==
        "\\u202eevil\\u202c \\u2066 \\u2069 \\u200e \\u200f \\u061c");
  CHECK(printable("a\u2028b\u2029c") == "a\\u2028b\\u2029c");
}

TEST_CASE("bytes that are not UTF-8 become escapes") {
  CHECK(printable("\x9b\xff"
                  "a") == "\\x9b\\xffa");
  CHECK(printable("a\xc3") == "a\\xc3");
  CHECK(printable("\xc0\x9b") == "\\xc0\\x9b");           // U+001B in two bytes
  CHECK(printable("\xe0\x82\x9b") == "\\xe0\\x82\\x9b");  // U+009B in three bytes
  CHECK(printable("\xf0\x80\x82\x9b") == "\\xf0\\x80\\x82\\x9b");
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // half of a UTF-16 pair
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // U+110000
}

TEST_CASE("a long text is cut between two characters") {
  CHECK(printable("abcdef", 4) == "abcd...");
  CHECK(printable("abcé", 4) == "abc...");
  CHECK(printable("abcé", 5) == "abcé");
  CHECK(printable(std::string(100, 'x'), std::string::npos).size() == 100);
}

TEST_CASE("an error's message has no control characters, whatever it names") {
  const std::vector<std::string> names = {"\x1b[2J", "b"};
  const std::string message = test::message_of<InputError>([&] {
    fail_input("{}: {} of {} is {:.2f}; {}", "\u202epath\n", fmt::join(names, ", "), 3, 0.5, 'x');
  });
  CHECK(message == "\\u202epath\\n: \\x1b[2J, b of 3 is 0.50; x");
}

}  // namespace
}  // namespace gmlp
