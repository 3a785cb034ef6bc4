#pragma once
// SIGINT and SIGTERM set a flag. Long work polls the flag, saves and returns.

#include <exception>

namespace gmlp {

/// Thrown when a signal ends work that has nothing to save.
class Stopped : public std::exception {
 public:
  const char* what() const noexcept override { return "stopped by a signal"; }
};

/// Installs the handlers: a first signal sets the flag, a second one ends the process at once.
void install_stop_signals();
/// The signal that was received, or 0.
int stop_signal();
/// Throws Stopped after a signal.
void throw_if_stopped();
/// Sets the flag without a signal, or clears it with 0. For tests.
void set_stop_signal(int signal);

}  // namespace gmlp
