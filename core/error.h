#pragma once
// Errors name the thing, the reason and the remedy. The two types end a program with different exit
// statuses (apps/cli/run_main.h). Sizes from files are multiplied and added with overflow checks,
// and text from files is made printable before it enters a message.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace gmlp {

/// The user's input is wrong: an option, a file, a data set. Exit status 2.
class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The run itself failed: a full disk, ten non-finite losses in a row. Exit status 1.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws InputError with a formatted message.
template <typename... Args>
[[noreturn]] void fail_input(fmt::format_string<Args...> format, Args&&... args) {
  throw InputError(fmt::format(format, std::forward<Args>(args)...));
}

/// Throws RunError with a formatted message.
template <typename... Args>
[[noreturn]] void fail_run(fmt::format_string<Args...> format, Args&&... args) {
  throw RunError(fmt::format(format, std::forward<Args>(args)...));
}

/// Checks a condition that only a bug in this program can break; throws std::logic_error.
inline void require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(std::string("internal error: ") + what);
}

/// a * b and a + b. Throw InputError naming `what` if an operand is negative or the result
/// overflows.
int64_t checked_mul(int64_t a, int64_t b, std::string_view what);
int64_t checked_add(int64_t a, int64_t b, std::string_view what);

/// Text from a file, safe to print: each control character becomes '?', so that a hostile file
/// cannot control the terminal. Text of more than `max_bytes` is cut and ends with "...".
std::string printable(std::string_view text, size_t max_bytes = 80);

}  // namespace gmlp
