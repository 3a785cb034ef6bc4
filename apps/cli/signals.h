#pragma once
// SIGINT and SIGTERM raise a flag; whoever works for long polls it, saves and leaves in order.

#include <exception>

namespace gmlp {

/// Thrown where a signal ends work that leaves nothing to save.
class Stopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped by a signal"; }
};

/// From now on a first signal raises the flag, a second one ends the process at once.
void install_stop_signals();

/// The signal that asked to stop, or 0.
int stop_signal();

/// Throws Stopped once a signal has asked to stop.
void throw_if_stopped();

/// Raises (or, with 0, lowers) the flag by hand; for tests.
void set_stop_signal(int signal);

}  // namespace gmlp
