// The line of a progress bar, by the terminal's width.

#include "apps/cli/terminal.h"

#include <algorithm>

#include "tests/support/catch.h"

namespace {

const std::vector<std::string> kLongRun = {"1234567/2000000", "loss* 0.9992 (smoothed 1.1000)",
                                           "left 2h05m",      "2345 img/s",
                                           "78% of peak",     "epoch 112/200",
                                           "lr 4.00e-03",     "wait 12 ms"};

int64_t columns_of(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
}

std::string line_at(int64_t columns, const std::vector<std::string>& fields = kLongRun) {
  return gmlp::progress_line(1234567, 2000000, fields, columns);
}

}  // namespace

TEST_CASE("a path in a printed command is one word of the shell") {
  CHECK(gmlp::shell_quoted("runs/0001-a_b=c@2:x,+%.d") == "runs/0001-a_b=c@2:x,+%.d");
  CHECK(gmlp::shell_quoted("my run") == "'my run'");
  CHECK(gmlp::shell_quoted("it's") == R"('it'\''s')");
  CHECK(gmlp::shell_quoted("Käse") == "'Käse'");
  CHECK(gmlp::shell_quoted("~/$x") == "'~/$x'");
}

TEST_CASE("a progress line shows the time left from 60 columns on, and ends with a whole field") {
  const std::string bar = "███████░░░░░  ";
  const std::string begin = "1234567/2000000  loss* 0.9992 (smoothed 1.1000)  left 2h05m";
  CHECK(line_at(60) == begin);
  CHECK(line_at(80) == bar + begin);
  CHECK(line_at(100) == bar + begin + "  2345 img/s  78% of peak");
  CHECK(line_at(124) == bar + begin + "  2345 img/s  78% of peak  epoch 112/200");
  CHECK(line_at(200).ends_with("wait 12 ms"));
}

TEST_CASE("a progress line is shorter than the terminal is wide, in columns, not in bytes") {
  for (int64_t columns = 0; columns <= 200; ++columns) {
    INFO(columns);
    for (const char* end : {"ab", "é…"}) {
      const std::string line = line_at(columns, {"12/34", end});
      CHECK(columns_of(line) <= std::max<int64_t>(columns - 1, 0));
      const int64_t whole = columns_of("12/34  ab") + (columns < 74 ? 0 : 14);
      CHECK(line.ends_with(end) == (columns > whole));
    }
  }
}
