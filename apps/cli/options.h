#pragma once
// Options that several subcommands share, and the checks of their values.

#include <cstdint>
#include <string>

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace gmlp {

/// Beyond it a batch's sizes would not fit 64 bits (models/config_fields.h).
constexpr int64_t kLargestBatch = int64_t{1} << 20;

// Checks of an option's value. Unlike CLI::Range they keep the range out of --help: only the error
// tells it.
/// A whole number in [low, high]. The default is any count.
CLI::Validator integer_in(int64_t low = 0, int64_t high = int64_t{1} << 40);
/// A finite number in [low, high]; CLI::Range would accept NaN.
CLI::Validator number_in(double low, double high);
/// A finite number in [low, high).
CLI::Validator number_below(double low, double high);

/// Makes --help print one placeholder per value, the default after the description, and lines of at
/// most 100 columns.
void set_help_format(CLI::App& app);

/// The number of threads that --threads N means: 0 is all of this machine.
int resolve_threads(int threads);

/// The options of every subcommand that loads a checkpoint.
struct StoredModelOptions {
  std::string model;
  std::string kernels = "fused";
  std::string precision = "f32";
  int threads = 0;
};
/// Registers all of them, and --config.
void add_stored_model_options(CLI::App& app, StoredModelOptions& options);
/// The same without --precision and --kernels.
void add_stored_model(CLI::App& app, StoredModelOptions& options);

void add_threads_option(CLI::App& app, int& threads);

}  // namespace gmlp
