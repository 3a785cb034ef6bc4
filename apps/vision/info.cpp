// gmlp-vision info: a model's size, and the cost of training it.

#include <fmt/ranges.h>

#include "apps/cli/model_info.h"
#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"

namespace gmlp {

int run_info(const std::vector<std::string>& arguments) {
  std::string model;
  bool class_token = false;
  InfoOptions options{.batch_size = 128};
  CLI::App app(
      fmt::format("Describe a model. Named models: {}", fmt::join(vision_config_names(), ", ")),
      "gmlp-vision info");
  add_config_option(app);
  app.add_option("--model", model, "Name, checkpoint folder or FILE.json")
      ->required()
      ->type_name("NAME|DIR|FILE");
  app.add_flag("--class-token", class_token, "Use a class token in place of the mean over tokens");
  add_info_options(app, options, "Images");
  parse_arguments(app, arguments);

  VisionConfig config = named_or_stored_config(model);
  if (class_token) config.class_token = true;
  std::string mixing = fmt::format("gate {}", kGates.name(config.gate));
  if (config.is_vit()) mixing = fmt::format("{} heads", config.heads);
  if (config.arch == Arch::kMixer) mixing = fmt::format("spatial_ffn {}", config.spatial_ffn);
  const std::string lines = fmt::format(
      "input            {} x {} x {}, patches of {}, {} tokens, {} classes\n"
      "blocks           {}, {}, d_model {}, d_ffn {}, {}\n",
      config.chans, config.img_height, config.img_width, config.patch, config.tokens(),
      config.classes, config.depth, kVisionArchs.name(config.arch), config.d_model, config.d_ffn,
      mixing);
  print_info<VisionModel>(config, config.block(), options, lines, "image", config.forward_flops());
  return kExitSuccess;
}

}  // namespace gmlp
