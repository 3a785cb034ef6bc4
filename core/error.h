#pragma once
// Errors name the thing, the reason and the remedy. Two kinds, because they end a program with
// different exit statuses (see apps/cli/run_main.h).

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace gmlp {

/// What the user gave us is wrong: an option, a file, a data set. Exit status 2.
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

}  // namespace gmlp
