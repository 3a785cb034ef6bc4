#include "apps/training/main_guard.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>

#include <fmt/format.h>

#include "apps/training/signals.h"
#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

bool parse_arguments(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return false;
  } catch (const CLI::ParseError& error) {
    fail_input("{}; `{} --help` lists the options and their values", error.what(), app.get_name());
  }
  return true;
}

int guard_main(const char* program, const std::function<int()>& body) {
  int status = kExitFailedRun;
  std::string message;
  flush_denormals();
  try {
    return body();
  } catch (const Stopped& stopped) {
    status = 128 + stop_signal();
    message = stopped.what();
  } catch (const InputError& error) {
    status = kExitWrongInput;
    message = error.what();
  } catch (const std::bad_alloc&) {
    message = "out of memory; use a smaller --batch-size, model or data set";
  } catch (const std::exception& error) {
    message = error.what();
  }
  std::fflush(stdout);
  fmt::print(stderr, "{}: error: {}\n", program, message);
  return status;
}

}  // namespace gmlp
