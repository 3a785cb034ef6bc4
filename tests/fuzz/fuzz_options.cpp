// The options of a training program. The first byte chooses the subcommand, and whether the text
// up to the first NUL is a file for --config or the config.toml of a run to resume. Below it are
// further arguments, one per line. What is accepted is written, and read back as the same text.
#include <CLI/CLI.hpp>
#include <filesystem>

#include "apps/cli/format.h"
#include "apps/language/options.h"
#include "apps/vision/commands.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temporary_folder.h"

namespace {

std::string config_of(int subcommand, const std::vector<std::string>& arguments) {
  if (subcommand == 0) return gmlp::parse_train(arguments).config;
  return subcommand == 1 ? gmlp::parse_pretrain(arguments).config
                         : gmlp::parse_finetune(arguments).config;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto [config, lines] = gmlp::test::two_texts(data + 1, size - 1);
  static const gmlp::test::TemporaryFolder run;
  static const std::string path = run.write("config.toml", std::string_view());
  run.write("config.toml", config);
  std::vector<std::string> arguments = gmlp::lines_of(lines);
  const bool resume = (data[0] & 4) != 0;
  arguments.insert(arguments.begin(),
                   {resume ? "--resume" : "--config", resume ? run.path() : path});
  return gmlp::test::accept_input_errors([&] {
    try {
      const int subcommand = data[0] & 3;
      const std::string resolved = config_of(subcommand, arguments);
      run.write("config.toml", resolved);
      gmlp::test::check(config_of(subcommand, {"--config", path}) == resolved);
    } catch (const CLI::CallForHelp&) {                   // printed
    } catch (const std::filesystem::filesystem_error&) {  // a name is too long: run_main says so
    }
  });
}
