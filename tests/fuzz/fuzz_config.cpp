// A model's config.json. What is accepted is counted, as commands do before they make the model,
// written and read back.
#include "models/language.h"
#include "models/vision.h"
#include "tests/fuzz/fuzz.h"

constexpr int64_t kBatch = 1 << 20;  // the largest that the commands take

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(gmlp::test::view_of(data, size));
  gmlp::test::accept_input_errors([&] {
    const gmlp::LanguageConfig config = gmlp::language_config_from_json(text, "config.json");
    config.parameter_count();
    config.forward_flops();
    gmlp::training_memory(config, kBatch, gmlp::DType::kF32, gmlp::Backend::kFused);
    gmlp::training_memory(config, kBatch, gmlp::DType::kF64, gmlp::Backend::kReference);
    gmlp::language_config_from_json(gmlp::language_config_to_json(config, ""), "config.json");
  });
  return gmlp::test::accept_input_errors([&] {
    std::vector<std::string> labels;
    const gmlp::VisionConfig config = gmlp::vision_config_from_json(text, "config.json", &labels);
    config.parameter_count();
    config.forward_flops();
    gmlp::training_memory(config, kBatch, gmlp::DType::kF32, gmlp::Backend::kFused);
    gmlp::training_memory(config, kBatch, gmlp::DType::kF64, gmlp::Backend::kReference);
    gmlp::vision_config_from_json(gmlp::vision_config_to_json(config, labels, ""), "config.json",
                                  &labels);
  });
}
