#pragma once
// config.toml and --config: the options of a subcommand as a file, in CLI11's form of TOML.
//   name=value            # a comment; strings may be quoted in 'one' or "the other" way
//   name=[value, value]

#include <string>

namespace CLI {
class App;
}

namespace gmlp {

/// Adds --config FILE to `app`. A name in the file that is no option is an InputError.
void add_config_option(CLI::App& app, const std::string& description = "Read options from FILE");

/// Throws the InputError for a --config FILE that CLI11 could not open.
[[noreturn]] void fail_config_file(const CLI::App& app);

/// The value of every option of `app`, given or default, as text that --config reads back as the
/// same. Throws InputError for a value that such a file cannot hold.
std::string resolved_config(const CLI::App& app);

}  // namespace gmlp
