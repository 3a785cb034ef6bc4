#pragma once
// Everything between main() and a subcommand: arguments in, one line of error and a status out.

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

/// Parses `arguments` (without the program's name). False when help was printed. Throws InputError
/// naming the option, the reason and the remedy, for the contents of a --config file, too.
bool parse_arguments(CLI::App& app, std::vector<std::string> arguments);

struct Subcommand {
  const char* name;
  std::function<int(const std::vector<std::string>& arguments)> run;  // returns the exit status
};

/// The body of main(): runs the subcommand that the first argument names, and turns what it throws,
/// and a standard output that could not be written, into a message and an exit status.
int run_main(const char* program, const char* usage, const std::vector<Subcommand>& subcommands,
             int argc, char** argv);

}  // namespace gmlp
