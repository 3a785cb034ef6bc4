#pragma once
// Errors name the thing, the reason and the remedy. The two types end a program with different exit
// statuses (apps/cli/run_main.h). Sizes from files are multiplied with overflow checks.
// Text from files and of the user passes through printable() before anyone sees it.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

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

/// `text` on one line and safe for a terminal. Control characters, bytes that are not UTF-8, line
/// separators and marks that change the direction of writing become escapes: \n, \x1b, \u202e. Text
/// of more than `max_bytes` is cut and ends with "...".
std::string printable(std::string_view text, size_t max_bytes = 80);

/// An argument of an error's message: numbers as they are, everything else printable.
template <typename T>
auto error_argument(const T& arg) {
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, char>) {
    return arg;
  } else {
    return printable(fmt::vformat("{}", fmt::make_format_args(arg)), std::string::npos);
  }
}

/// Throws InputError with a formatted message, whose text is printable.
template <typename... Args>
[[noreturn]] void fail_input(fmt::format_string<Args...> format, const Args&... args) {
  throw InputError(fmt::format(fmt::runtime(format), error_argument(args)...));
}

/// fail_input if `condition` holds. The arguments are evaluated in any case.
template <typename... Args>
void refuse_if(bool condition, fmt::format_string<Args...> format, const Args&... args) {
  if (condition) fail_input(format, args...);
}

/// Throws RunError with a formatted message, whose text is printable.
template <typename... Args>
[[noreturn]] void fail_run(fmt::format_string<Args...> format, const Args&... args) {
  throw RunError(fmt::format(fmt::runtime(format), error_argument(args)...));
}

/// Checks a condition that only a bug in this program can break; throws std::logic_error.
inline void require(bool condition, const char* what) {
  if (!condition) throw std::logic_error(std::string("internal error: ") + what);
}

/// Throws InputError unless all `ids` of `what` are at least `least` and less than `count`.
void require_ids(const char* what, const std::vector<int64_t>& ids, int64_t least, int64_t count);

/// "; did you mean NAME?" for the one of `known` that is closest to `name`, a mistyped one, or ""
/// if none is close. The distance is Levenshtein's: letters to insert, remove or replace.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

/// The place of `name` among `names`, or InputError that lists them: "OPTION NAME: no such WHAT".
size_t choice_index(const std::string& name, const std::vector<std::string>& names,
                    const char* option, const char* what);

/// The names of an enumeration's values 0, 1, ...
template <typename Enumeration>
struct Choices {
  const char* option;  // as errors call it
  const char* what;
  std::vector<std::string> names;

  const char* name(Enumeration value) const { return names[static_cast<size_t>(value)].c_str(); }
  /// Throws InputError that lists all names.
  Enumeration from_name(const std::string& name) const {
    return static_cast<Enumeration>(choice_index(name, names, option, what));
  }
};

/// a * b. Throws InputError naming `what` if an operand is negative or the product overflows.
int64_t checked_mul(int64_t a, int64_t b, std::string_view what);

}  // namespace gmlp
