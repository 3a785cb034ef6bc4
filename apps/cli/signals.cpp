#include "apps/cli/signals.h"

#include <atomic>

#include <signal.h>
#include <unistd.h>

namespace gmlp {

namespace {

std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not take a lock");

// Only async-signal-safe calls in here: an exchange, _exit.
extern "C" void on_stop_signal(int signal) {
  if (g_signal.exchange(signal) != 0) _exit(128 + signal);
}

}  // namespace

void install_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;  // a write of a checkpoint must not fail with EINTR
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int stop_signal() {
  return g_signal.load();
}

void throw_if_stopped() {
  if (stop_signal() != 0) throw Stopped();
}

void set_stop_signal(int signal) {
  g_signal.store(signal);
}

}  // namespace gmlp
