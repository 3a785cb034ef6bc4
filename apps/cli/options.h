#pragma once
// Options that several subcommands share, the checks of their values, and configuration files:
// config.toml and --config hold a subcommand's options in CLI11's form of TOML.
//   name=value            # a comment; strings may be quoted in 'one' or "the other" way
//   name=[value, value]

#include <cstdint>
#include <string>
#include <vector>

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

/// Adds checked options to a group of --help.
class OptionGroup {
 public:
  OptionGroup(CLI::App& app, const char* name);
  void integer(const char* name, int64_t& value, const char* text, int64_t low = 0,
               int64_t high = int64_t{1} << 40);
  void number(const char* name, double& value, const char* text, double low = 0,
              double high = 1e12);
  void choice(const char* name, std::string& value, const char* text,
              const std::vector<std::string>& choices);
  /// `type` stands for the value in --help, such as FILE.
  void text(const char* name, std::string& value, const char* type, const char* text);

 private:
  CLI::App& app_;
};

/// The heads of a Transformer if none are given: 64 wide, or as little wider as makes them equal.
inline int64_t default_heads(int64_t d_model) {
  int64_t heads = d_model < 128 ? 1 : d_model / 64;
  while (d_model % heads != 0) --heads;
  return heads;
}

/// Sets the number of threads that --threads N means: 0 is all that this process may use.
void use_threads(int threads);

/// How a subcommand loads a checkpoint and computes.
struct StoredModelOptions {
  std::string model;
  std::string kernels = "fused", precision = "f32";
  int threads = 0;
};
/// Adds these options and --config.
void add_stored_model_options(CLI::App& app, StoredModelOptions& options);
/// The same without --precision and --kernels.
void add_stored_model(CLI::App& app, StoredModelOptions& options);

struct ExportOptions {
  std::string model, format, out;
  bool overwrite = false;
};
/// Parses the arguments of `PROGRAM export`; `help` describes `formats`. Throws InputError for
/// wrong usage, and if a file of onnx may not be written to --out.
ExportOptions parse_export(const std::string& program, const std::vector<std::string>& formats,
                           const std::string& help, const std::vector<std::string>& arguments);

/// An option that names a file to write, the file, and the ending of such files.
struct OutputFile {
  std::string option, path, ending;
};
/// Throws InputError if an output is an input, another output or a file of the checkpoint `model`,
/// if it would replace a picture, a table or weights of another ending, or if its folder does not
/// exist.
void check_outputs(const std::vector<OutputFile>& outputs, std::vector<std::string> inputs,
                   const std::string& model);

void add_threads_option(CLI::App& app, int& threads);
/// Adds --precision and --kernels.
void add_arithmetic_options(CLI::App& app, std::string& precision, std::string& kernels);

/// Adds --config FILE to `app`. A name in the file that is no option is an InputError.
void add_config_option(CLI::App& app, const std::string& description = "Read options from FILE");
/// The value of every option of `app`, given or default, as text that --config reads back as the
/// same. Throws InputError for a value that such a file cannot hold.
std::string resolved_config(CLI::App& app);

}  // namespace gmlp
