#include "apps/cli/run_main.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <new>
#include <system_error>

#include <fcntl.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include "apps/ranks/ranks.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

std::atomic<int> g_signal{0};
int g_shared_signal = -1;  // of all ranks, from the first share_stop_signal() on
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not take a lock");

// Only async-signal-safe calls in here: an exchange, _exit. A lost terminal may send SIGHUP twice,
// once by the kernel and once by the shell.
extern "C" void on_stop_signal(int signal) {
  if (g_signal.exchange(signal) != 0 && signal != SIGHUP) _exit(128 + signal);
}

/// Opens /dev/null for a standard stream that is closed, because a file opened later would become
/// that stream. Turns SIGPIPE and SIGXFSZ (ulimit -f) into errors of the write.
void protect_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    // open() returns the lowest free number, which is `stream`.
    if (fcntl(stream, F_GETFD) < 0) static_cast<void>(open("/dev/null", O_RDWR));
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

/// What fmt::print throws, too. Standard output is the only file that it prints to.
constexpr const char* kCannotWrite = "cannot write to file";

/// Throws if not all that was printed has arrived.
void check_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw std::system_error(errno, std::generic_category(), kCannotWrite);
}

std::string message_of(const std::system_error& error) {
  std::string text = error.what();
  const std::string reason = error.code().message();
  const auto* file = dynamic_cast<const std::filesystem::filesystem_error*>(&error);
  if (file) return printable(file->path1().native()) + ": " + reason + "; check the path";
  if (!text.starts_with(kCannotWrite)) return text;
  return fmt::format("standard output: could not be written: {}; send it to another place",
                     error.code() ? reason : "an earlier write failed");
}

int dispatch(const char* program, const char* usage, const std::vector<Subcommand>& subcommands,
             const std::vector<std::string>& arguments) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  std::vector<std::string> known;
  for (const Subcommand& subcommand : subcommands) {
    known.emplace_back(subcommand.name);
    if (name != subcommand.name) continue;
    refuse_if(rank_count() > 1 && !subcommand.on_ranks,
              "{}: would do all of its work on each of the {} ranks; start it without mpirun", name,
              rank_count());
    try {
      return subcommand.run({arguments.begin() + 1, arguments.end()});
    } catch (const CLI::CallForHelp&) {
      return kExitSuccess;
    }
  }
  const std::string names =
      fmt::format("{} or {}", fmt::join(known.begin(), known.end() - 1, ", "), known.back());
  if (name == "--help" || name == "-h" || name == "help") {
    fmt::print("{}", usage);
  } else if (name == "--version") {
    fmt::print("{} {}\n", program, GMLP_VERSION);
  } else if (name.empty()) {
    fail_input("a subcommand is missing; choose {} (--help)", names);
  } else {
    fail_input("{}: no such subcommand; choose {} (--help){}", name, names,
               did_you_mean(name, known));
  }
  return kExitSuccess;
}

/// `text` broken into lines of at most `width` columns.
std::string wrapped(const std::string& text, size_t width) {
  std::string lines;
  size_t used = 0;
  for (const std::string& word : CLI::detail::split(text, ' ')) {
    if (used > 0) lines += used + 1 + word.size() > width ? '\n' : ' ';
    used = lines.empty() || lines.back() == '\n' ? word.size() : used + 1 + word.size();
    lines += word;
  }
  return lines;
}

/// Prints one placeholder per value, the default after the description, and lines of at most 100
/// columns.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kNameWidth); }

  /// " FILE", " N" or " {fused,reference}".
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string type = option->get_type_name();
    if (option->get_type_size() == 0 || type.empty()) return "";
    const size_t choices = type.find(":{");
    if (choices != type.npos) type = type.substr(choices + 1);
    if (type == "INT" || type == "UINT") type = "N";
    if (type == "FLOAT") type = "X";
    if (option->get_expected_min() > 1) type += " " + type;
    return " " + type + (option->get_required() ? " (required)" : "");
  }

  std::string make_description(const CLI::App* app) const override {
    return wrapped(CLI::Formatter::make_description(app), kWidth);
  }
  std::string make_footer(const CLI::App* app) const override {
    return wrapped(CLI::Formatter::make_footer(app), kWidth);
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    std::string value = option->get_default_str();
    if (value.starts_with('[')) value = value.substr(1, value.size() - 2);  // a list
    const bool shown = option->get_type_size() != 0 && !value.empty();
    if (shown) text += fmt::format(" (default {})", value);
    return wrapped(text, kWidth - kNameWidth);
  }

 private:
  static constexpr size_t kNameWidth = 32;
  static constexpr size_t kWidth = 100;
};

/// The values that "--sched: cosin not in {cosine,linear}" lists, and the one that was meant.
std::string nearest_choice(const std::string& message) {
  const size_t value = message.find(": ") + 2;
  const size_t end = message.find(" not in {");
  if (end == message.npos) return "";
  const std::string choices = message.substr(message.find('{', end) + 1);
  return did_you_mean(message.substr(value, end - value),
                      CLI::detail::split(choices.substr(0, choices.find('}')), ','));
}

[[noreturn]] void fail_unexpected(const CLI::App& app) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) known.push_back(option->get_name());
  std::string argument;  // the first one; CLI11 lists them from the back
  for (const std::string& other : app.remaining())
    if (argument.empty() || other.starts_with('-')) argument = other;
  argument = argument.substr(0, argument.find('='));
  std::string remedy = did_you_mean(argument, known);
  const auto positional = [](const CLI::Option* option) { return option->get_positional(); };
  if (remedy.empty() && argument.starts_with('-') && !app.get_options(positional).empty()) {
    remedy = "; put -- before a text that begins with -";
  }
  fail_input("{}: not an option of {}; `{} --help` lists them{}", argument, app.get_name(),
             app.get_name(), remedy);
}

/// Memory may run out where no exception may pass: a JSON value's destructor allocates. In some of
/// libstdc++'s own functions, such as directory_iterator's, the exception is lost by then.
[[noreturn]] void end_program() {
  const std::exception_ptr exception = std::current_exception();
  try {
    if (exception) std::rethrow_exception(exception);
  } catch (const std::bad_alloc&) {
  } catch (...) {
    std::abort();
  }
  std::fputs("error: out of memory; checkpoints are untouched\n", stderr);
  _exit(kExitFailedRun);
}

}  // namespace

void parse_arguments(CLI::App& app, std::vector<std::string> arguments) {
  std::ranges::reverse(arguments);  // CLI11 takes them from the back
  // In a list of texts CLI11 would take "[a, b]" for two, so a mark hides the '[' while it parses.
  constexpr char kHiddenBracket = '\x01';
  for (std::string& argument : arguments) {
    if (argument.starts_with('[')) argument.front() = kHiddenBracket;
  }
  const auto restore_bracket = [](std::string& value) {
    if (value.starts_with(kHiddenBracket)) value.front() = '[';
    return std::string();
  };
  const auto drop_zeros = [](std::string& value) {  // CLI11 would read 010 as octal
    const size_t begin = value.find_first_not_of(" +0");
    if (begin != value.npos && std::isdigit(static_cast<unsigned char>(value[begin])) != 0) {
      value.erase(0, begin);
    }
    return std::string();
  };
  for (CLI::Option* option : app.get_options()) {
    option->transform(CLI::Validator(restore_bracket, ""));
    const std::string type = option->get_type_name();
    if (type == "INT" || type == "UINT") option->transform(CLI::Validator(drop_zeros, ""));
    // The last of two values counts.
    if (option->get_items_expected_max() <= 1 && option != app.get_config_ptr()) {
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
  }
  app.formatter(std::make_shared<HelpFormatter>());
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", CLI::detail::find_and_replace(app.help(), "\n\n\n", "\n\n"));
    throw;
  } catch (const CLI::FileError&) {
    read_text(app.get_config_ptr()->as<std::string>());  // throws with the reason
    throw;
  } catch (const CLI::ExtrasError&) {
    fail_unexpected(app);
  } catch (const CLI::ParseError& error) {
    fail_input("{}; `{} --help` lists the options and their values{}", error.what(), app.get_name(),
               nearest_choice(error.what()));
  }
}

int run_main(const char* program, const char* usage, const std::vector<Subcommand>& subcommands,
             int argc, char** argv) {
  limit_spinning(argv);
  std::set_terminate(end_program);
  int status = kExitFailedRun;
  std::string message;
  protect_standard_streams();
  flush_denormals();
  try {
    start_ranks();
    status = dispatch(program, usage, subcommands, {argv + (argc > 0 ? 1 : 0), argv + argc});
    check_output();
    finish_ranks();
    return status;
  } catch (const Stopped& stopped) {
    status = 128 + stop_signal();
    message = stopped.what();
  } catch (const InputError& error) {
    status = kExitWrongInput;
    message = error.what();
  } catch (const std::bad_alloc&) {
    message = "out of memory; use a smaller --batch-size, model or data set";
  } catch (const std::system_error& error) {
    if (status == kExitSuccess) status = kExitFailedRun;  // not that of a signal
    if (error.code().value() == ENAMETOOLONG) status = kExitWrongInput;
    // `info | head -1` ends without a word.
    if (status == kExitFailedRun && error.code().value() == EPIPE) status = 128 + SIGPIPE;
    message = message_of(error);
  } catch (const std::exception& error) {
    message = error.what();
  }
  std::fflush(stdout);
  message = status == 128 + SIGPIPE ? "" : fmt::format("{}: error: {}\n", program, message);
  if (rank_count() > 1) end_all_ranks(status, message);
  std::fputs(message.c_str(), stderr);  // fmt::print throws when nobody can be told
  return status;
}

void install_stop_signals(bool restart) {
  struct sigaction action = {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = restart ? SA_RESTART : 0;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    sigaction(signal, nullptr, &before);
    const bool ignored = signal == SIGHUP && before.sa_handler == SIG_IGN;
    if (!ignored) sigaction(signal, &action, nullptr);
  }
}

int stop_signal() {
  return g_shared_signal >= 0 ? g_shared_signal : g_signal.load();
}

int own_stop_signal() {
  return g_signal.load();
}

void share_stop_signal() {
  if (rank_count() > 1) g_shared_signal = static_cast<int>(max_over_ranks(own_stop_signal()));
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
