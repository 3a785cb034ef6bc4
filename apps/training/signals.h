#pragma once
// SIGINT and SIGTERM raise a flag; whoever works for long polls it, saves and leaves in order.

namespace gmlp {

/// From now on a first signal raises the flag, a second one ends the process at once.
void install_stop_signals();

/// The signal that asked to stop, or 0.
int stop_signal();

/// Work that has nothing to save calls this now and then: throws Stopped after a signal.
void check_stop_signal();
/// guard_main ends the program with 128 + signal.
struct Stopped {
  int signal = 0;
};

/// Raises (or, with 0, lowers) the flag by hand; for tests.
void set_stop_signal(int signal);

}  // namespace gmlp
