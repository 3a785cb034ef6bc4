// The config.json of a vision model in its folder: names of labels, transform and split. What is
// accepted predicts finite numbers, and is written and read back.
#include <cmath>

#include "apps/vision/commands.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/tiny_models.h"

namespace {

bool all_finite(const gmlp::Tensor& tensor) {
  bool finite = true;
  for (int64_t i = 0; i < tensor.elements(); ++i) finite = finite && std::isfinite(tensor.at(i));
  return finite;
}

/// A picture, prepared, and the classes.
void predict(const gmlp::Classifier& loaded) {
  const gmlp::VisionConfig& config = loaded.model->config();
  gmlp::Image image = gmlp::Image::of_bytes(3, 5, 3);
  for (uint8_t& byte : image.bytes) byte = 200;
  const gmlp::Tensor input = gmlp::Tensor::zeros(
      gmlp::DType::kF32, {1, config.chans, config.img_height, config.img_width});
  gmlp::transform_image(image, loaded.transform, nullptr, input.data<float>());
  gmlp::photo_form(loaded.transform, false);
  gmlp::Arena arena;
  gmlp::test::check(all_finite(input));
  gmlp::test::check(all_finite(gmlp::predict_logits(loaded, input, arena)));
  for (int64_t c = 0; c < config.classes; ++c) loaded.label(static_cast<size_t>(c));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gmlp::test::TemporaryFolder folder;
  static const bool written =
      (gmlp::test::write_weights<gmlp::VisionModel>(folder, gmlp::test::tiny_vision()), true);
  gmlp::test::check(written);
  folder.write("config.json", gmlp::test::view_of(data, size));
  return gmlp::test::accept_input_errors([&] {
    const gmlp::Classifier loaded = gmlp::load_classifier(folder.path());
    predict(loaded);
    folder.write("config.json", gmlp::config_json(loaded));
    const gmlp::Classifier again = gmlp::load_classifier(folder.path());
    gmlp::test::check(again.label_names == loaded.label_names);
    gmlp::test::check(again.transform.crop_fraction == loaded.transform.crop_fraction);
    gmlp::test::check(again.split.seed == loaded.split.seed);
  });
}
