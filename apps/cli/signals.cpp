#include "apps/cli/signals.h"

#include <atomic>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace gmlp {

namespace {

std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not take a lock");

// Only async-signal-safe calls in here: an exchange, _exit. A lost terminal may send SIGHUP twice,
// once by the kernel and once by the shell.
extern "C" void on_stop_signal(int signal) {
  if (g_signal.exchange(signal) != 0 && signal != SIGHUP) _exit(128 + signal);
}

/// `restart`: SA_RESTART, or 0 to end a read() or write() on a signal.
void install_handlers(int restart) {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = restart;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    const bool ignored = signal == SIGHUP && before.sa_handler == SIG_IGN;
    if (!ignored) sigaction(signal, &action, nullptr);
  }
}

}  // namespace

void install_stop_signals() {
  install_handlers(SA_RESTART);  // a write of a checkpoint must not fail with EINTR
}

void protect_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    // open() returns the lowest free number, which is `stream`.
    if (fcntl(stream, F_GETFD) < 0) static_cast<void>(open("/dev/null", O_RDWR));
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

int stop_signal() {
  return g_signal.load();
}

InterruptibleInput::InterruptibleInput() {
  install_handlers(0);
}

InterruptibleInput::~InterruptibleInput() {
  install_handlers(SA_RESTART);
}

void throw_if_stopped() {
  if (stop_signal() != 0) throw Stopped();
}

void set_stop_signal(int signal) {
  g_signal.store(signal);
}

void print_or_stop(const std::string& text) {
  const bool written = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  if (!written && errno == EPIPE && stop_signal() == 0) set_stop_signal(SIGPIPE);
}

}  // namespace gmlp
