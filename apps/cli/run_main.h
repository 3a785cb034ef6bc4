#pragma once
// Everything between main() and a subcommand: arguments in, one line of error and a status out.
// SIGINT, SIGTERM, SIGHUP (a lost terminal) and a standard output that nobody reads any more set a
// flag. Long work polls the flag, saves and returns.

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <signal.h>

namespace CLI {
class App;
}

namespace gmlp {

/// Exit statuses of all programs (a signal ends with 128 + its number, after saving).
constexpr int kExitSuccess = 0;
constexpr int kExitFailedRun = 1;
constexpr int kExitWrongInput = 2;

/// Parses `arguments` (without the program's name). Throws CLI::CallForHelp when help was printed,
/// with which a subcommand ends well. Throws InputError naming the option, the reason and the
/// remedy, for the contents of a --config file, too.
void parse_arguments(CLI::App& app, std::vector<std::string> arguments);

struct Subcommand {
  const char* name;
  std::function<int(const std::vector<std::string>& arguments)> run;  // returns the exit status
  bool on_ranks = false;  // whether several processes can share its work
};

/// The body of main(): runs the subcommand that the first argument names, and turns what it throws,
/// and a standard output that could not be written, into a message and an exit status.
int run_main(const char* program, const char* usage, const std::vector<Subcommand>& subcommands,
             int argc, char** argv);

/// Thrown when a signal ends work that has nothing to save.
class Stopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped by a signal"; }
};

/// Installs the handlers: a first signal sets the flag, a second SIGINT or SIGTERM ends the process
/// at once. SIGHUP stays ignored if it is (nohup). Unless `restart`, a signal ends a read() or
/// write() with EINTR, which a write of a checkpoint must not do.
void install_stop_signals(bool restart = true);
/// The signal that was received, or 0. Several ranks train in step, so a signal to one of them
/// counts from the next share_stop_signal() on, which all call, and then for all.
int stop_signal();
void share_stop_signal();
/// The signal that this process has received by now.
int own_stop_signal();
/// Throws Stopped after a signal.
void throw_if_stopped();

/// While it lives, a stop signal ends a wait for standard input.
struct InterruptibleInput {
  InterruptibleInput() { install_stop_signals(false); }
  ~InterruptibleInput() { install_stop_signals(); }
};

/// While it lives, SIGINT and SIGTERM end the process at once (SIG_DFL), as a long call of a
/// library does not poll the flag.
struct DefaultStopSignals {
  DefaultStopSignals() {
    for (const int stop : {SIGINT, SIGTERM}) signal(stop, SIG_DFL);
  }
  ~DefaultStopSignals() { install_stop_signals(); }
};

/// Sets the flag without a signal, or clears it with 0.
void set_stop_signal(int signal);

/// Prints to standard output and flushes. A reader that is gone (`train | head -1`) counts as
/// SIGPIPE; another failure does not end a run, and run_main() reports it at the end.
void print_or_stop(const std::string& text);

}  // namespace gmlp
