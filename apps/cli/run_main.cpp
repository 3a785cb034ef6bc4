#include "apps/cli/run_main.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>
#include <system_error>

#include <fmt/format.h>

#include "apps/cli/options.h"
#include "apps/cli/signals.h"
#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

std::string lost_output(const std::string& reason) {
  return fmt::format("standard output: could not be written: {}; send it to another place", reason);
}

/// Why not all that was printed has arrived; empty when it has.
std::string output_failure() {
  errno = 0;
  const bool flushed = std::fflush(stdout) == 0;
  const int error = errno;
  if (flushed && std::ferror(stdout) == 0) return "";
  return lost_output(flushed ? "an earlier write failed" : std::generic_category().message(error));
}

/// fmt::print's exception says only "cannot write to file", and standard output is the only file
/// that it prints to.
std::string message_of(const std::system_error& error) {
  const std::string text = error.what();
  return text.starts_with("cannot write to file") ? lost_output(error.code().message()) : text;
}

int dispatch(const char* program, const char* usage, const std::vector<Subcommand>& subcommands,
             const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  std::string names;
  for (const Subcommand& subcommand : subcommands) {
    if (name == subcommand.name) return subcommand.run({arguments.begin() + 1, arguments.end()});
    const bool last = &subcommand == &subcommands.back();
    names += fmt::format("{}{}", names.empty() ? "" : last ? " or " : ", ", subcommand.name);
  }
  if (name == "--help" || name == "-h" || name == "help") {
    fmt::print("{}", usage);
  } else if (name == "--version") {
    fmt::print("{} {}\n", program, GMLP_VERSION);
  } else if (name.empty()) {
    fail_input("a subcommand is missing; choose {} (--help)", names);
  } else {
    fail_input("{}: no such subcommand; choose {} (--help)", name, names);
  }
  return kExitSuccess;
}

}  // namespace

bool parse_arguments(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  set_help_format(app);
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", CLI::detail::find_and_replace(app.help(), "\n\n\n", "\n\n"));
    return false;
  } catch (const CLI::FileError&) {
    fail_config_file(app);  // --config is the only file that CLI11 opens
  } catch (const CLI::ParseError& error) {
    fail_input("{}; `{} --help` lists the options and their values", error.what(), app.get_name());
  }
  return true;
}

int run_main(const char* program, const char* usage, const std::vector<Subcommand>& subcommands,
             int argc, char** argv) {
  bound_spinning(argv);
  int status = kExitFailedRun;
  std::string message;
  flush_denormals();
  try {
    status = dispatch(program, usage, subcommands, {argv + (argc > 0 ? 1 : 0), argv + argc});
    message = output_failure();
    if (message.empty()) return status;
    if (status == kExitSuccess) status = kExitFailedRun;
  } catch (const Stopped& stopped) {
    status = 128 + stop_signal();
    message = stopped.what();
  } catch (const InputError& error) {
    status = kExitWrongInput;
    message = error.what();
  } catch (const std::bad_alloc&) {
    message = "out of memory; use a smaller --batch-size, model or data set";
  } catch (const std::system_error& error) {
    message = message_of(error);
  } catch (const std::exception& error) {
    message = error.what();
  }
  std::fflush(stdout);
  fmt::print(stderr, "{}: error: {}\n", program, message);
  return status;
}

}  // namespace gmlp
