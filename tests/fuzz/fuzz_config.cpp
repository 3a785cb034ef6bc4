// A model's config.json. What is accepted is written and read back.
#include "models/language.h"
#include "models/vision.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(gmlp_fuzz::view_of(data, size));
  gmlp_fuzz::survive([&] {
    const gmlp::LanguageConfig config = gmlp::language_config_from_json(text, "config.json");
    config.parameter_count();
    gmlp::language_config_from_json(gmlp::language_config_to_json(config, ""), "config.json");
  });
  return gmlp_fuzz::survive([&] {
    std::vector<std::string> labels;
    const gmlp::VisionConfig config = gmlp::vision_config_from_json(text, "config.json", &labels);
    gmlp::vision_config_from_json(gmlp::vision_config_to_json(config, labels, ""), "config.json",
                                  &labels);
  });
}
