// gmlp-vision predict: images to class names and probabilities, or an array to logits.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/train/options.h"
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

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

struct PredictOptions : StoredModelOptions {
  std::vector<std::string> images;
  int64_t topk = 5;
  std::string json;
  std::string input_array;
  std::string output_array;
  int64_t batch_size = 64;
};

void add_options(CLI::App& app, PredictOptions& options) {
  add_stored_model_options(app, options);
  app.add_option("IMAGE", options.images, "PNG, JPEG or BMP files");
  app.add_option("--topk", options.topk, "How many classes an image")
      ->check(integer_in(1, int64_t{1} << 24));
  app.add_option("--json", options.json, "Write the result to FILE, too")->type_name("FILE");
  app.add_option("--input-array", options.input_array,
                 "float32 NCHW, taken as it is, or uint8 NHWC, prepared as images are")
      ->type_name("FILE.npy");
  app.add_option("--output-array", options.output_array, "Logits of --input-array (or the images)")
      ->type_name("FILE.npy");
  app.add_option("--batch-size", options.batch_size,
                 "Images at a time; changes no digit on fused kernels")
      ->check(integer_in(1, kLargestBatch));
}

/// The model's inputs, one by one, wherever they come from.
class Inputs {
 public:
  virtual ~Inputs() = default;
  virtual int64_t size() const = 0;
  /// Writes input i, CHW, prepared.
  virtual void fill(int64_t i, float* out) const = 0;
};

/// Prepared as the images of training and evaluation are.
class ImageFiles : public Inputs {
 public:
  ImageFiles(const std::vector<std::string>& paths, const LoadedModel& loaded)
      : paths_(paths), transform_(loaded.transform), photo_side_(loaded.split.photo_side) {}
  int64_t size() const override { return static_cast<int64_t>(paths_.size()); }
  void fill(int64_t i, float* out) const override {
    const Image photo = decode_image(paths_[static_cast<size_t>(i)]);
    transform_image(shrink_photo(photo, photo_side_), transform_, nullptr, out);
  }

 private:
  const std::vector<std::string>& paths_;
  const TransformOptions& transform_;
  int64_t photo_side_;
};

/// --input-array. Floats must be of the model's size exactly, bytes are resized like any picture.
class ArrayInputs : public Inputs {
 public:
  ArrayInputs(const std::string& path, const TransformOptions& transform)
      : array_(read_npy(path)), transform_(transform) {
    if (array_.shape.size() != 4) {
      fail_input("{}: {} dimensions; expected 4: float32 NCHW, or uint8 NHWC", path,
                 array_.shape.size());
    }
    const std::vector<int64_t> wanted = {transform.channels, transform.height, transform.width};
    if (array_.dtype == "f4") {
      values_ = array_.to_tensor(DType::kF32, path);
      if (!std::equal(wanted.begin(), wanted.end(), array_.shape.begin() + 1)) {
        fail_input(
            "{}: images of {}x{}x{} (CHW), the model takes {}x{}x{}; resize them, or pass uint8 "
            "NHWC, which is resized as images are",
            path, array_.shape[1], array_.shape[2], array_.shape[3], wanted[0], wanted[1],
            wanted[2]);
      }
    } else if (array_.dtype != "u1") {
      fail_input("{}: elements of type {}; expected float32 (NCHW) or uint8 (NHWC); convert it",
                 path, array_.dtype);
    } else if (array_.shape[3] != 1 && array_.shape[3] != 3) {
      fail_input("{}: {} channels in the last dimension; uint8 arrays are NHWC with 1 or 3", path,
                 array_.shape[3]);
    }
  }
  int64_t size() const override { return array_.shape[0]; }
  void fill(int64_t i, float* out) const override {
    if (values_.defined()) {
      const int64_t n = transform_.channels * transform_.height * transform_.width;
      std::copy_n(values_.data<float>() + i * n, n, out);
      return;
    }
    Image image;
    image.height = array_.shape[1];
    image.width = array_.shape[2];
    image.channels = array_.shape[3];
    const int64_t n = image.height * image.width * image.channels;
    const auto first = array_.bytes.begin() + i * n;
    image.bytes.assign(first, first + n);
    transform_image(image, transform_, nullptr, out);
  }

 private:
  NpyArray array_;
  Tensor values_;
  const TransformOptions& transform_;
};

/// (size, classes), of the model's dtype.
Tensor all_logits(const LoadedModel& loaded, const Inputs& inputs, const PredictOptions& options) {
  const VisionConfig& config = loaded.model->config();
  const ExecutionOptions execution =
      stored_model_execution(*loaded.model, options.precision, options.kernels);
  const int64_t n = inputs.size();
  Tensor result = Tensor::zeros(loaded.model->dtype(), {n, config.classes});
  Arena arena;
  for (int64_t begin = 0; begin < n; begin += options.batch_size) {
    if (stop_signal() != 0) break;
    const int64_t end = std::min(n, begin + options.batch_size);
    arena.reset();
    const Tensor batch = arena.allocate(
        DType::kF32, {end - begin, config.chans, config.img_height, config.img_width});
    const int64_t each = batch.elements() / (end - begin);
    parallel_for(end - begin,
                 [&](int64_t i) { inputs.fill(begin + i, batch.data<float>() + i * each); });
    const Tensor logits = predict_logits(*loaded.model, batch, execution, arena);
    result.rows(begin, end).copy_from(logits);
  }
  return result;
}

/// The likeliest classes of an image.
Json likeliest_classes(const Tensor& logits, int64_t row, const LoadedModel& loaded, int64_t topk) {
  const std::vector<double> p = softmax_row(logits, row);
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  order.resize(std::min(order.size(), static_cast<size_t>(topk)));
  Json classes = Json::array();
  for (size_t c : order) {
    const std::string label =
        loaded.label_names.empty() ? fmt::format("class {}", c) : loaded.label_names[c];
    classes.push_back({{"class", c}, {"label", label}, {"probability", p[c]}});
  }
  return classes;
}

/// A table line a class.
void print_image(const std::string& name, const Json& classes) {
  fmt::print("{}\n", name);
  for (const Json& one : classes) {
    fmt::print("  {:6.2f} %  {}\n", 100 * one.at("probability").get<double>(),
               printable(one.at("label").get_ref<const std::string&>()));
  }
}

/// The classes of every image, printed and written. Those of an array, which may hold thousands,
/// are not printed.
void report(const PredictOptions& options, const LoadedModel& loaded, const Tensor& logits) {
  const bool array = !options.input_array.empty();
  if (array && options.json.empty()) return;
  Json json = Json::array();
  for (int64_t i = 0; i < logits.shape()[0]; ++i) {
    const std::string name = array ? fmt::format("{}[{}]", options.input_array, i)
                                   : options.images[static_cast<size_t>(i)];
    Json classes = likeliest_classes(logits, i, loaded, options.topk);
    if (!array) print_image(name, classes);
    json.push_back({{"image", name}, {"top", std::move(classes)}});
  }
  if (!options.json.empty()) write_file_atomic(options.json, json_text(json));
}

void check_usage(const PredictOptions& options) {
  const bool array = !options.input_array.empty();
  if (array && !options.images.empty()) {
    fail_input("predict takes images or --input-array, not both; leave one out");
  }
  if (!array && options.images.empty()) {
    fail_input(
        "predict needs images, or --input-array with --output-array; name one or more files");
  }
  if (array && options.output_array.empty()) {
    fail_input("--input-array needs --output-array FILE.npy for the logits; add it");
  }
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
  std::unique_ptr<Inputs> inputs;
  if (options.input_array.empty()) {
    inputs = std::make_unique<ImageFiles>(options.images, loaded);
  } else {
    inputs = std::make_unique<ArrayInputs>(options.input_array, loaded.transform);
  }
  const Tensor logits = all_logits(loaded, *inputs, options);
  if (stop_signal() != 0) return 128 + stop_signal();
  if (!options.output_array.empty()) write_npy(options.output_array, logits);
  report(options, loaded, logits);
  return kExitSuccess;
}

}  // namespace gmlp
