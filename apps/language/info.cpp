// gmlp-language info: a model's size, and the cost of training it.

#include <fmt/ranges.h>

#include "apps/cli/model_info.h"
#include "apps/cli/run_main.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"

namespace gmlp {

int language_info(const std::vector<std::string>& arguments) {
  LanguageModelOptions choice;
  InfoOptions options{.batch_size = 32};
  CLI::App app(
      fmt::format("Describe a model. Named models: {}", fmt::join(language_config_names(), ", ")),
      "gmlp-language info");
  add_config_option(app);
  add_language_model_options(app, choice);
  app.get_option("--model")->required();
  add_info_options(app, options, "Sequences");
  parse_arguments(app, arguments);

  const LanguageConfig config = choose_language_model(choice);
  const BlockConfig& block = config.block;
  std::string mixing;
  if (config.arch == Arch::kGmlp) {
    mixing =
        fmt::format(", gate {}{}{}", kGates.name(block.gate), block.toeplitz ? ", Toeplitz" : "",
                    block.d_attn > 0 ? fmt::format(", tiny attention {}", block.d_attn) : "");
  }
  const std::string lines = fmt::format(
      "input            {} tokens of {}{}\n"
      "blocks           {} of {}, d_model {}, d_ffn {}{}\n",
      block.tokens, grouped(config.vocab), block.causal ? ", causal" : "", config.depth,
      kLanguageArchs.name(config.arch), block.d_model, block.d_ffn, mixing);
  print_info<LanguageModel>(config, config.block, options, lines, "sequence");
  return kExitSuccess;
}

}  // namespace gmlp
