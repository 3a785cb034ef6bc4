#pragma once
// What stands between a program's body and its exit status: arguments in, one line of error out.

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace gmlp {

/// Exit statuses of all programs (a signal ends with 128 + its number, after saving).
constexpr int kExitSuccess = 0;
constexpr int kExitFailedRun = 1;
constexpr int kExitWrongInput = 2;

/// Parses `arguments` (without the program's name). False when help was asked for and printed.
/// Throws InputError naming the option, the reason and the remedy; also for what a --config file
/// holds.
bool parse_arguments(CLI::App& app, std::vector<std::string> arguments);

/// Runs `body` and turns what it throws into a message on stderr and an exit status; also that
/// standard output could not take all that was printed.
int guard_main(const char* program, const std::function<int()>& body);

}  // namespace gmlp
