// gmlp-vision predict: images to class names, probabilities and features, or an array to logits. A
// file that cannot be read gets a line on stderr; the others are predicted all the same.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <sstream>

#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "core/io/file.h"
#include "core/io/npy.h"
#include "core/parallel.h"
#include "core/softmax.h"
#include "data/vision/dataset.h"

namespace gmlp {

namespace {

struct PredictOptions : StoredModelOptions {
  std::vector<std::string> images;
  int64_t topk = 5;
  std::string json, csv, input_array, output_array, features;
};

void check_usage(const PredictOptions& options) {
  const bool array = !options.input_array.empty();
  refuse_if(array != options.images.empty(),
            "predict needs images, or --input-array with --output-array; name one of the two");
  refuse_if(array && options.output_array.empty() && options.features.empty(),
            "--input-array needs --output-array FILE.npy for the logits; add it");
  std::vector<std::string> inputs = options.images;
  inputs.push_back(options.input_array);
  check_outputs({{"--json", options.json, ".json"},
                 {"--csv", options.csv, ".csv"},
                 {"--output-array", options.output_array, ".npy"},
                 {"--features", options.features, ".npy"}},
                inputs, options.model);
}

/// What is predicted: a file, or an image of an array.
struct Input {
  std::string name;
  Image image = {};        // of an array
  std::string error = {};  // why a file could not be read
};

std::vector<Input> open_inputs(const PredictOptions& options) {
  std::vector<Input> inputs;
  if (!options.input_array.empty()) {
    for (Image& image : read_images(options.input_array)) {
      inputs.push_back(
          {fmt::format("{}[{}]", options.input_array, inputs.size()), std::move(image)});
    }
  }
  for (const std::string& path : options.images) {
    if (!std::filesystem::is_directory(path)) {
      inputs.push_back({path});
      continue;
    }
    const FolderFiles files = list_files(path);
    refuse_if(files.images.empty(), "{}: no images in this folder; check the path", path);
    for (const std::string& image : files.images) {
      inputs.push_back({(std::filesystem::path(path) / image).string()});
    }
  }
  return inputs;
}

/// The model's inputs (B, C, H, W), in the arena; NaN for a file that could not be read.
Tensor read_batch(const Classifier& classifier, std::span<Input> inputs, Arena& arena) {
  const VisionConfig& config = classifier.model->config();
  const int64_t n = std::ssize(inputs);
  Tensor batch =
      arena.allocate(DType::kF32, {n, config.chans, config.img_height, config.img_width});
  parallel_for(n, [&](int64_t row) {
    Input& input = inputs[static_cast<size_t>(row)];
    const Tensor pixels = batch.rows(row, row + 1);
    const bool file = input.image.elements() == 0;
    try {
      const Image image = file ? decode_image(input.name) : input.image;
      transform_image(image, classifier.transform, nullptr, pixels.data<float>());
    } catch (const InputError& error) {
      if (!file) fail_input("{}: {}", input.name, error.what());
      input.error = error.what();
      pixels.fill(std::numeric_limits<double>::quiet_NaN());
    }
  });
  return batch;
}

/// The numbers of the `topk` most probable classes.
std::vector<size_t> top_classes(std::span<const double> p, int64_t topk) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return p[a] > p[b]; });
  order.resize(std::min(order.size(), static_cast<size_t>(topk)));
  return order;
}

/// Prints the classes of every image and writes --json and --csv (RFC 4180). An array's are not
/// printed, as it may hold thousands. Returns whether all images have a result.
bool report(const PredictOptions& options, const Classifier& classifier,
            const std::vector<Input>& inputs, const Tensor& logits) {
  const bool array = !options.input_array.empty();
  const int64_t classes = logits.shape().cols();
  std::vector<double> p(static_cast<size_t>(classes));
  const Tensor row = Tensor::over(p.data(), DType::kF64, {1, classes});
  Json json = Json::array();
  std::ostringstream csv;
  csv.exceptions(std::ios::badbit);  // else a stream that runs out of memory drops the rest
  csv << "image,rank,class,label,probability\n";
  for (const Input& input : inputs) {
    if (!input.error.empty()) {
      fmt::print(stderr, "gmlp-vision: {}\n", printable(input.error, std::string::npos));
      continue;
    }
    const int64_t i = &input - inputs.data();
    row.copy_from(logits.rows(i, i + 1));
    softmax(p.data(), p.data(), classes);
    if (!std::isfinite(p[0])) {
      fmt::print(stderr, "gmlp-vision: {}: the model's output is not finite\n",
                 printable(input.name, std::string::npos));
      continue;
    }
    if (!array) fmt::print("{}\n", printable(input.name, std::string::npos));
    Json top = Json::array();
    for (const size_t c : top_classes(p, options.topk)) {
      const std::string label = classifier.label(c);
      top.push_back({{"class", c}, {"label", label}, {"probability", p[c]}});
      csv << std::quoted(input.name, '"', '"') << fmt::format(",{},{},", top.size(), c)
          << std::quoted(label, '"', '"') << fmt::format(",{}\n", p[c]);
      if (!array) fmt::print("  {:6.2f} %  {}\n", 100 * p[c], printable(label));
    }
    json.push_back({{"image", input.name}, {"top", top}});
  }
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
  if (!options.csv.empty()) write_file_atomic(options.csv, utf8_of(csv.str()));
  const size_t count = inputs.size();
  if (json.size() == count) return true;
  fmt::print(stderr, "gmlp-vision: {} of {} images have no result\n", count - json.size(), count);
  return false;
}

}  // namespace

int run_predict(const std::vector<std::string>& arguments) {
  constexpr int64_t kBatch = 64;
  PredictOptions options;
  CLI::App app("Classify images", "gmlp-vision predict");
  add_stored_model_options(app, options);
  app.add_option("IMAGE", options.images, "Image files, or folders of them")->type_name("");
  OptionGroup group(app, "Options");
  group.integer("--topk", options.topk, "Number of classes per image", 1, int64_t{1} << 24);
  group.text("--json", options.json, "FILE", "File for the result");
  group.text("--csv", options.csv, "FILE",
             "The same as a table: image, rank, class, label, probability");
  group.text("--input-array", options.input_array, "FILE.npy",
             "Array of inputs in place of images: float32 NCHW is used unchanged, uint8 NHWC is "
             "prepared like images");
  group.text("--output-array", options.output_array, "FILE.npy",
             "File for the logits, a row per input; NaN for an unreadable image");
  group.text("--features", options.features, "FILE.npy",
             "File for the pooled features (the head's input), a row per input");
  parse_arguments(app, arguments);
  check_usage(options);

  use_threads(options.threads);
  const Classifier classifier = load_classifier(options.model, options.precision, options.kernels);
  const VisionModel& model = *classifier.model;
  std::vector<Input> inputs = open_inputs(options);
  const int64_t count = std::ssize(inputs);
  const Tensor logits = Tensor::zeros(model.dtype(), {count, model.config().classes});
  const Tensor features = Tensor::zeros(model.dtype(), {count, model.config().d_model});
  Arena arena;
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    throw_if_stopped();
    arena.reset();
    const int64_t end = std::min(count, begin + kBatch);
    const std::span<Input> part(inputs.begin() + begin, inputs.begin() + end);
    Tensor pooled;
    const Tensor batch = read_batch(classifier, part, arena);
    logits.rows(begin, end).copy_from(predict_logits(classifier, batch, arena, &pooled));
    features.rows(begin, end).copy_from(pooled);
  }
  if (!options.output_array.empty()) write_npy(options.output_array, logits);
  if (!options.features.empty()) write_npy(options.features, features);
  return report(options, classifier, inputs, logits) ? kExitSuccess : kExitFailedRun;
}

}  // namespace gmlp
