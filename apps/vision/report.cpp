// gmlp-vision report, and what report.html shows of a vision model and its validation images.

#include "apps/report/report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/cli/run_main.h"
#include "apps/train/pictures.h"
#include "apps/vision/commands.h"

namespace gmlp {

namespace {

/// As a data URI. Arrays of floats are no pictures.
std::string picture_of(Image image) {
  constexpr int64_t kMostSide = 128;
  if (image.is_float()) return "";
  const int64_t side = std::max({image.height, image.width, kMostSide});
  const auto shrunk = [&](int64_t n) { return std::max<int64_t>(1, n * kMostSide / side); };
  image = resize_bicubic(image, shrunk(image.height), shrunk(image.width));
  return "data:image/png;base64," +
         base64(encode_png(image.bytes.data(), image.height, image.width, image.channels));
}

/// Of the run's last weights, on its validation images.
void evaluate_run(Json& run) {
  const std::string folder = run.at("folder");
  const VisionOptions options = parse_train({"--config", folder + "/config.toml"});
  const Classifier classifier =
      load_classifier(folder + "/checkpoints/last", options.precision, options.kernels);
  // First what needs no images: they may be gone.
  add_evaluation(run, classifier, {{}, {}, {}}, {});
  const DataSplits data = open_to_score(options.data, classifier, options.source.skip_bad);
  Arena arena;
  const Evaluation evaluation = evaluate(classifier, *data.val, options.batch_size, arena);
  add_evaluation(run, classifier, *data.val, evaluation);
}

}  // namespace

void add_evaluation(Json& run, const Classifier& classifier, const ImageDataset& dataset,
                    const Evaluation& evaluation) {
  constexpr size_t kMistakes = 24, kSamples = 6, kMostPairs = 50000;
  VisionModel& model = *classifier.model;
  const VisionConfig& config = model.config();
  run["classes"] = classifier.label_names;
  run["crop"] = classifier.transform.crop_fraction;
  Json inspector =
      inspect_weights(spatial_weights(model.parameters(), config.block()),
                      config.img_height / config.patch, config.img_width / config.patch);
  std::map<std::pair<size_t, size_t>, int64_t> pairs;
  std::vector<std::pair<double, int64_t>> wrong;
  for (int64_t i = 0; i < evaluation.samples; ++i) {
    const auto& [label, predicted, p] = evaluation.predictions[static_cast<size_t>(i)];
    if (!std::isfinite(p)) continue;  // a model that diverged predicts nothing
    ++pairs[{label, predicted}];
    if (label != predicted) wrong.emplace_back(-p, i);
  }
  for (const auto& [pair, count] : pairs) {
    if (pairs.size() <= kMostPairs) run["confusion"].push_back({pair.first, pair.second, count});
  }
  const auto shown = [&](int64_t i) -> Json {
    const auto& [label, predicted, p] = evaluation.predictions[static_cast<size_t>(i)];
    const std::string picture = picture_of(dataset.image(i));
    return {{"label", label}, {"predicted", predicted}, {"probability", p}, {"picture", picture}};
  };
  std::ranges::sort(wrong);
  for (size_t i = 0; i < std::min(wrong.size(), kMistakes); ++i) {
    run["mistakes"].push_back(shown(wrong[i].second));
  }
  for (const int64_t i : spread_indices(evaluation.samples, kSamples)) {
    const Batch batch = make_batch(dataset, classifier.transform, {.train = false}, {i}, 0, 0);
    Arena arena;
    Tape tape(arena, Backend::kReference, false);
    model.forward(tape, in_dtype(arena, batch.images, model.dtype()), {});
    inspector["samples"].push_back(shown(i));
    inspector["samples"].back()["gates"] = inspect_gates(tape, config.block());
  }
  run["inspector"] = inspector;
}

int run_vision_report(const std::vector<std::string>& arguments) {
  return run_report("gmlp-vision", arguments, evaluate_run);
}

}  // namespace gmlp
