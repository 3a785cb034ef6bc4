// gmlp-vision predict: images to class names, probabilities and features, or an array to logits. A
// file that cannot be read gets a line on stderr; the others are predicted all the same.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include <fmt/format.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/vision/commands.h"
#include "apps/vision/evaluate.h"
#include "apps/vision/model_choice.h"
#include "apps/vision/weights.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/io/npy.h"
#include "core/parallel.h"
#include "data/vision/image_decode.h"
#include "data/vision/image_files.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

struct PredictOptions : StoredModelOptions {
  std::vector<std::string> images;
  int64_t topk = 5;
  std::string json, csv;
  std::string input_array;
  std::string output_array, features;
  int64_t batch_size = 64;
};

void add_options(CLI::App& app, PredictOptions& options) {
  add_stored_model_options(app, options);
  app.add_option("IMAGE", options.images, "Image files, or folders of them");
  app.add_option("--topk", options.topk, "Number of classes per image")
      ->check(integer_in(1, int64_t{1} << 24))
      ->capture_default_str();
  app.add_option("--json", options.json, "File for the result")->type_name("FILE");
  app.add_option("--csv", options.csv,
                 "The same as a table: image, rank, class, label, probability")
      ->type_name("FILE");
  app.add_option(
         "--input-array", options.input_array,
         "Array of inputs in place of images: float32 NCHW is used unchanged, uint8 NHWC is "
         "prepared like images")
      ->type_name("FILE.npy");
  app.add_option("--output-array", options.output_array,
                 "File for the logits, a row per input; NaN for an unreadable image")
      ->type_name("FILE.npy");
  app.add_option("--features", options.features,
                 "File for the pooled features (the head's input), a row per input")
      ->type_name("FILE.npy");
  app.add_option("--batch-size", options.batch_size,
                 "Images per batch; with fused kernels every size gives the same result")
      ->check(integer_in(1, kLargestBatch))
      ->capture_default_str();
}

void check_usage(const PredictOptions& options) {
  const bool array = !options.input_array.empty();
  if (array && !options.images.empty()) {
    fail_input("predict accepts images or --input-array, not both; leave one out");
  }
  if (!array && options.images.empty()) {
    fail_input("predict needs images, or --input-array with --output-array; name one or more");
  }
  if (array && options.output_array.empty() && options.features.empty()) {
    fail_input("--input-array needs --output-array FILE.npy for the logits; add it");
  }
}

/// The model's inputs, from files or an array.
struct Inputs {
  std::vector<std::string> names;
  std::function<void(int64_t i, float* out)> fill;  // writes input i, CHW, prepared
};

/// The files, and the images in the folders.
std::vector<std::string> image_paths(const std::vector<std::string>& given) {
  std::vector<std::string> paths;
  for (const std::string& path : given) {
    if (!std::filesystem::is_directory(path)) {
      paths.push_back(path);
      continue;
    }
    const FolderFiles files = list_files(path);
    if (files.images.empty()) fail_input("{}: no images in this folder; check the path", path);
    for (const std::string& image : files.images) {
      paths.push_back((std::filesystem::path(path) / image).string());
    }
  }
  return paths;
}

/// Images, prepared as in training and evaluation.
Inputs file_inputs(const std::vector<std::string>& paths, const LoadedModel& loaded) {
  return {paths, [&, paths](int64_t i, float* out) {
            transform_image(decode_image(paths[static_cast<size_t>(i)]), loaded.transform, nullptr,
                            out);
          }};
}

/// "x.npy[0]", "x.npy[1]", ...
std::vector<std::string> row_names(const std::string& path, int64_t rows) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < rows; ++i) names.push_back(fmt::format("{}[{}]", path, i));
  return names;
}

/// Of float32 NCHW, unchanged, or of uint8 NHWC, prepared like images.
Inputs array_inputs(const std::string& path, const TransformOptions& transform) {
  const NpyArray array = read_npy(path);
  const bool bytes = array.dtype == "u1";
  if (!bytes && array.dtype != "f4") {
    fail_input("{}: elements of type {}; expected float32 (NCHW) or uint8 (NHWC); convert it", path,
               array.dtype);
  }
  const std::vector<int64_t>& shape = array.shape;
  if (shape.size() != 4) {
    fail_input("{}: {} dimensions; expected 4: float32 NCHW, or uint8 NHWC", path, shape.size());
  }
  const int64_t n = shape[1] * shape[2] * shape[3];
  if (bytes) {
    if (shape[3] != 1 && shape[3] != 3) {
      fail_input("{}: {} channels in the last dimension; uint8 arrays are NHWC with 1 or 3", path,
                 shape[3]);
    }
    return {row_names(path, shape[0]), [=](int64_t i, float* out) {
              Image image;
              image.height = array.shape[1];
              image.width = array.shape[2];
              image.channels = array.shape[3];
              const auto first = array.bytes.begin() + i * n;
              image.bytes.assign(first, first + n);
              transform_image(image, transform, nullptr, out);
            }};
  }
  if (shape[1] != transform.channels || shape[2] != transform.height ||
      shape[3] != transform.width) {
    fail_input(
        "{}: images of {}x{}x{} (CHW), but the model needs {}x{}x{}; resize them, or pass uint8 "
        "NHWC, which is resized like images",
        path, shape[1], shape[2], shape[3], transform.channels, transform.height, transform.width);
  }
  const Tensor values = array.to_tensor(DType::kF32, path);
  return {row_names(path, shape[0]), [n, values](int64_t i, float* out) {
            std::copy_n(values.data<float>() + i * n, n, out);
          }};
}

/// A row per input, in the model's dtype; NaN where the input could not be read.
struct Outputs {
  Tensor logits;                    // (count, classes)
  Tensor features;                  // (count, D)
  std::vector<std::string> errors;  // empty where there is none
};

Outputs compute(const LoadedModel& loaded, const Inputs& inputs, const PredictOptions& options) {
  const VisionConfig& config = loaded.model->config();
  const ExecutionOptions execution =
      stored_model_execution(*loaded.model, options.precision, options.kernels);
  const int64_t count = static_cast<int64_t>(inputs.names.size());
  const DType dtype = loaded.model->dtype();
  Outputs outputs{Tensor::zeros(dtype, {count, config.classes}),
                  Tensor::zeros(dtype, {count, config.d_model}),
                  std::vector<std::string>(inputs.names.size())};
  Arena arena;
  for (int64_t begin = 0; begin < count; begin += options.batch_size) {
    throw_if_stopped();
    const int64_t n = std::min(count - begin, options.batch_size);
    arena.reset();
    const Tensor batch =
        arena.allocate(DType::kF32, {n, config.chans, config.img_height, config.img_width});
    parallel_for(n, [&](int64_t i) {
      const Tensor image = batch.rows(i, i + 1);
      try {
        inputs.fill(begin + i, image.data<float>());
      } catch (const InputError& error) {
        outputs.errors[static_cast<size_t>(begin + i)] = error.what();
        image.fill(std::numeric_limits<double>::quiet_NaN());
      }
    });
    Tensor features;
    const Tensor logits = predict_logits(*loaded.model, batch, execution, arena, &features);
    outputs.logits.rows(begin, begin + n).copy_from(logits);
    outputs.features.rows(begin, begin + n).copy_from(features);
  }
  return outputs;
}

/// The `topk` most probable classes of an image.
Json top_classes(const Tensor& logits, int64_t row, const LoadedModel& loaded, int64_t topk) {
  const std::vector<double> p = softmax_row(logits, row);
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  order.resize(std::min(order.size(), static_cast<size_t>(topk)));
  Json classes = Json::array();
  for (const size_t c : order) {
    const std::string label =
        loaded.label_names.empty() ? fmt::format("class {}", c) : loaded.label_names[c];
    classes.push_back({{"class", c}, {"label", label}, {"probability", p[c]}});
  }
  return classes;
}

/// A field of a CSV file (RFC 4180).
std::string csv_field(std::string text) {
  for (size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2)
    text.insert(at, 1, '"');
  return '"' + text + '"';
}

/// Prints the classes of every image and writes --json and --csv. An array's are not printed, as it
/// may hold thousands. Returns whether all images were read.
bool report(const PredictOptions& options, const LoadedModel& loaded, const Inputs& inputs,
            const Outputs& outputs) {
  const bool array = !options.input_array.empty();
  if (array && options.json.empty() && options.csv.empty()) return true;
  Json json = Json::array();
  std::string csv = "image,rank,class,label,probability\n";
  int64_t unreadable = 0;
  for (size_t i = 0; i < inputs.names.size(); ++i) {
    const std::string& name = inputs.names[i];
    if (!outputs.errors[i].empty()) {
      ++unreadable;
      fmt::print(stderr, "gmlp-vision: {}\n", printable(outputs.errors[i], std::string::npos));
      continue;
    }
    const Json top = top_classes(outputs.logits, static_cast<int64_t>(i), loaded, options.topk);
    if (!array) fmt::print("{}\n", printable(name, std::string::npos));
    for (size_t rank = 0; rank < top.size(); ++rank) {
      const std::string& label = top[rank].at("label").get_ref<const std::string&>();
      const double probability = top[rank].at("probability");
      csv += fmt::format("{},{},{},{},{}\n", csv_field(name), rank + 1,
                         top[rank].at("class").get<int>(), csv_field(label), probability);
      if (!array) fmt::print("  {:6.2f} %  {}\n", 100 * probability, printable(label));
    }
    json.push_back({{"image", name}, {"top", top}});
  }
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
  if (!options.csv.empty()) write_file_atomic(options.csv, utf8_of(csv));
  if (unreadable > 0) {
    fmt::print(stderr, "gmlp-vision: {} of {} images were not read\n", unreadable,
               inputs.names.size());
  }
  return unreadable == 0;
}

}  // namespace

int run_predict(const std::vector<std::string>& arguments) {
  PredictOptions options;
  CLI::App app("Classify images", "gmlp-vision predict");
  add_options(app, options);
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  check_usage(options);
  set_thread_count(resolve_threads(options.threads));

  const LoadedModel loaded = load_model(options.model);
  const Inputs inputs = options.input_array.empty()
                            ? file_inputs(image_paths(options.images), loaded)
                            : array_inputs(options.input_array, loaded.transform);
  const Outputs outputs = compute(loaded, inputs, options);
  if (!options.output_array.empty()) write_npy(options.output_array, outputs.logits);
  if (!options.features.empty()) write_npy(options.features, outputs.features);
  return report(options, loaded, inputs, outputs) ? kExitSuccess : kExitFailedRun;
}

}  // namespace gmlp
