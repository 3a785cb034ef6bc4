// gmlp-vision predict: images to class names, probabilities and features, or an array to logits. A
// file that cannot be read gets a line on stderr; the others are predicted all the same.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "apps/vision/evaluate.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/io/npy.h"
#include "core/parallel.h"
#include "data/vision/sources.h"

namespace gmlp {

namespace {

struct PredictOptions : StoredModelOptions {
  std::vector<std::string> images;
  int64_t topk = 5;
  std::string json, csv, input_array, output_array, features;
};

void add_options(CLI::App& app, PredictOptions& options) {
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
}

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

/// What is predicted: files, or the images of an array.
struct Inputs {
  std::vector<std::string> names;
  std::vector<Image> array;  // empty for files
};

Inputs open_inputs(const PredictOptions& options) {
  Inputs inputs;
  if (!options.input_array.empty()) inputs.array = read_images(options.input_array);
  for (size_t i = 0; i < inputs.array.size(); ++i) {
    inputs.names.push_back(fmt::format("{}[{}]", options.input_array, i));
  }
  for (const std::string& path : options.images) {
    if (!std::filesystem::is_directory(path)) {
      inputs.names.push_back(path);
      continue;
    }
    const FolderFiles files = list_files(path);
    refuse_if(files.images.empty(), "{}: no images in this folder; check the path", path);
    for (const std::string& image : files.images) {
      inputs.names.push_back((std::filesystem::path(path) / image).string());
    }
  }
  return inputs;
}

/// A row per input, in the model's dtype; NaN where the input could not be read.
struct Outputs {
  Tensor logits;                    // (count, classes)
  Tensor features;                  // (count, D)
  std::vector<std::string> errors;  // empty where there is none
};

Outputs compute(const LoadedModel& loaded, const Inputs& inputs) {
  constexpr int64_t kBatch = 64;
  const VisionConfig& config = loaded.model->config();
  const DType dtype = loaded.model->dtype();
  const int64_t count = std::ssize(inputs.names);
  Outputs outputs{Tensor::zeros(dtype, {count, config.classes}),
                  Tensor::zeros(dtype, {count, config.d_model}),
                  std::vector<std::string>(inputs.names.size())};
  Arena arena;
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    throw_if_stopped();
    const int64_t n = std::min(count - begin, kBatch);
    arena.reset();
    const Tensor batch =
        arena.allocate(DType::kF32, {n, config.chans, config.img_height, config.img_width});
    parallel_for(n, [&](int64_t row) {
      const size_t i = static_cast<size_t>(begin + row);
      const Tensor input = batch.rows(row, row + 1);
      try {
        const Image image = inputs.array.empty() ? decode_image(inputs.names[i]) : inputs.array[i];
        transform_image(image, loaded.transform, nullptr, input.data<float>());
      } catch (const InputError& error) {
        if (!inputs.array.empty()) fail_input("{}: {}", inputs.names[i], error.what());
        outputs.errors[i] = error.what();
        input.fill(std::numeric_limits<double>::quiet_NaN());
      }
    });
    Tensor features;
    const Tensor logits = predict_logits(*loaded.model, batch, loaded.execution, arena, &features);
    outputs.logits.rows(begin, begin + n).copy_from(logits);
    outputs.features.rows(begin, begin + n).copy_from(features);
  }
  return outputs;
}

/// The numbers of the `topk` most probable classes.
std::vector<size_t> top_classes(const std::vector<double>& p, int64_t topk) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return p[a] > p[b]; });
  order.resize(std::min(order.size(), static_cast<size_t>(topk)));
  return order;
}

/// Prints the classes of every image and writes --json and --csv (RFC 4180). An array's are not
/// printed, as it may hold thousands. Returns whether all images were read.
bool report(const PredictOptions& options, const LoadedModel& loaded, const Inputs& inputs,
            const Outputs& outputs) {
  const bool array = !options.input_array.empty();
  Json json = Json::array();
  std::ostringstream csv;
  csv.exceptions(std::ios::badbit);  // else a stream that runs out of memory drops the rest
  csv << "image,rank,class,label,probability\n";
  for (size_t i = 0; i < inputs.names.size(); ++i) {
    const std::string& name = inputs.names[i];
    if (!outputs.errors[i].empty()) {
      fmt::print(stderr, "gmlp-vision: {}\n", printable(outputs.errors[i], std::string::npos));
      continue;
    }
    const std::vector<double> p = softmax_row(outputs.logits, static_cast<int64_t>(i));
    if (!array) fmt::print("{}\n", printable(name, std::string::npos));
    Json top = Json::array();
    for (const size_t c : top_classes(p, options.topk)) {
      const std::string label = loaded.label(c);
      top.push_back({{"class", c}, {"label", label}, {"probability", p[c]}});
      csv << std::quoted(name, '"', '"') << fmt::format(",{},{},", top.size(), c)
          << std::quoted(label, '"', '"') << fmt::format(",{}\n", p[c]);
      if (!array) fmt::print("  {:6.2f} %  {}\n", 100 * p[c], printable(label));
    }
    json.push_back({{"image", name}, {"top", top}});
  }
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
  if (!options.csv.empty()) write_file_atomic(options.csv, utf8_of(csv.str()));
  const size_t count = inputs.names.size();
  if (json.size() == count) return true;
  fmt::print(stderr, "gmlp-vision: {} of {} images were not read\n", count - json.size(), count);
  return false;
}

}  // namespace

int run_predict(const std::vector<std::string>& arguments) {
  PredictOptions options;
  CLI::App app("Classify images", "gmlp-vision predict");
  add_options(app, options);
  parse_arguments(app, arguments);
  check_usage(options);

  const LoadedModel loaded = load_model(options);
  const Inputs inputs = open_inputs(options);
  const Outputs outputs = compute(loaded, inputs);
  if (!options.output_array.empty()) write_npy(options.output_array, outputs.logits);
  if (!options.features.empty()) write_npy(options.features, outputs.features);
  return report(options, loaded, inputs, outputs) ? kExitSuccess : kExitFailedRun;
}

}  // namespace gmlp
