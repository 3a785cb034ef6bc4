#pragma once
// SIGINT, SIGTERM, SIGHUP (a lost terminal) and a standard output that nobody reads any more set a
// flag. Long work polls the flag, saves and returns.

#include <exception>
#include <string>

namespace gmlp {

/// Thrown when a signal ends work that has nothing to save.
class Stopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped by a signal"; }
};

/// Installs the handlers: a first signal sets the flag, a second SIGINT or SIGTERM ends the process
/// at once. SIGHUP stays ignored if it is (nohup).
void install_stop_signals();
/// Opens /dev/null for a standard stream that is closed, because a file opened later would become
/// that stream. Turns SIGPIPE and SIGXFSZ (ulimit -f) into errors of the write.
void protect_standard_streams();
/// The signal that was received, or 0.
int stop_signal();
/// Throws Stopped after a signal.
void throw_if_stopped();
/// Sets the flag without a signal, or clears it with 0.
void set_stop_signal(int signal);

/// Prints to standard output and flushes. A reader that is gone (`train | head -1`) counts as
/// SIGPIPE; another failure does not end a run, and run_main() reports it at the end.
void print_or_stop(const std::string& text);

}  // namespace gmlp
