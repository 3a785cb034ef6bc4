#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <unsupported/Eigen/KroneckerProduct>

#include "apps/vision/commands.h"
#include "models/checkpoint/checkpoint.h"
#include "models/config_fields.h"

namespace gmlp {

namespace {

/// A number, or a list of them, each from `least` to `most`.
std::vector<double> numbers(const Json& object, const char* key, double fallback, double least,
                            double most, const std::string& path) {
  if (!object.contains(key)) return {fallback};
  const Json& value = object.at(key);
  std::vector<double> result;
  for (const Json& number : value.is_array() ? value : Json::array({value})) {
    const double found = number.is_number() ? number.get<double>() : NAN;
    if (!(found >= least && found <= most)) {
      fail_input("{}: \"{}\" is {}, not a number from {} to {}; correct the file", path, key,
                 number.dump(), least, most);
    }
    result.push_back(found);
  }
  refuse_if(result.empty(), "{}: \"{}\" is empty; correct the file", path, key);
  return result;
}

/// The transform of evaluation, as timm's "pretrained_cfg" has it.
TransformOptions stored_transform(const VisionConfig& config, const std::string& text,
                                  const std::string& path) {
  constexpr double kMost = 1000;  // timm's means are below 1; other programs' pixels end at 255
  const size_t channels = static_cast<size_t>(config.chans);
  const Json pretrained = parse_json(text, path).value("pretrained_cfg", Json::object());
  for (const auto& [key, known] :
       {std::pair{"interpolation", "bicubic"}, {"crop_mode", "center"}}) {
    refuse_if(pretrained.contains(key) && pretrained.at(key) != known,
              "{}: \"{}\" is not \"{}\", which alone is read; correct the file", path, key, known);
  }
  TransformOptions transform{
      .height = config.img_height,
      .width = config.img_width,
      .channels = config.chans,
      .crop_fraction = numbers(pretrained, "crop_pct", 0.875, 0.01, 1, path)[0],
      .mean = numbers(pretrained, "mean", 0.5, -kMost, kMost, path),
      .std = numbers(pretrained, "std", 0.5, 1 / kMost, kMost, path)};
  for (std::vector<double>* values : {&transform.mean, &transform.std}) {
    // The first of timm's three values is enough for a grayscale model.
    if (values->size() != channels) *values = std::vector<double>(channels, values->front());
  }
  return transform;
}

// ---- Weights that were trained on other images: gray or color ones, or of another number of
// patches.
//
//   stem.proj.weight   3 channels to 1: their sum, as timm; 1 to 3: a third for each
//   gate.proj.bias     b (N) to (N'): resized as an image of patches, bicubic, as Pillow does
//   gate.proj.weight   W (N, N) to (N', N'): the same for each column and each row, times N / N',
//                      which keeps the sums over tokens
//
// A class token, in front of the patches, keeps its weights. Only square images are resized.

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// (to, from): row i has the weights of all pixels in pixel i of the resized line. The kernel is
/// wider when it shrinks, against aliasing.
Matrix line_resize(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  Matrix matrix(to, from);
  for (int64_t i = 0; i < to; ++i) {
    for (int64_t j = 0; j < from; ++j) {
      const double center = (static_cast<double>(i) + 0.5) * scale;
      matrix(i, j) = cubic_kernel((static_cast<double>(j) + 0.5 - center) / std::max(scale, 1.0));
    }
    matrix.row(i) /= matrix.row(i).sum();
  }
  return matrix;
}

/// Both functions fill `into` and return a line for the log; "" if they cannot.
std::string convert_gate(const VisionConfig& config, const Matrix& stored, Matrix& into) {
  const int64_t prefix = config.class_token ? 1 : 0;
  const double patches = static_cast<double>(stored.rows() - prefix);
  const int64_t from = std::llround(std::sqrt(std::max(patches, 0.0)));
  const int64_t to = config.img_height / config.patch;
  const bool square = from * from + prefix == stored.rows() && to * to + prefix == into.rows();
  const bool bias = into.cols() == 1;
  if (from == 0 || !square || stored.cols() != (bias ? 1 : stored.rows())) return "";
  const Matrix line = line_resize(from, to);
  Matrix resize = Matrix::Identity(into.rows(), stored.rows());  // a class token stays
  resize.bottomRightCorner(to * to, from * from) = Eigen::kroneckerProduct(line, line);
  Matrix columns = bias ? Matrix::Ones(1, 1) : resize;
  if (!bias) columns.bottomRows(to * to) *= patches / static_cast<double>(to * to);
  into = resize * stored * columns.transpose();
  return fmt::format("init: the spatial weights are resized from {0} x {0} patches to {1} x {1}",
                     from, to);
}

/// (D, C, P, P), as matrices (D, C P P).
std::string convert_stem(int64_t from, int64_t to, const Matrix& stored, Matrix& into) {
  const int64_t pixels = stored.cols() / from;
  if (stored.rows() != into.rows() || pixels * to != into.cols() || from * to != 3) return "";
  const Matrix channels = Matrix::Constant(from, to, 1.0 / static_cast<double>(to));
  const Matrix same = Matrix::Identity(pixels, pixels);
  into = stored * Eigen::kroneckerProduct(channels, same);
  return fmt::format("init: the stem's weights of {} channels are {} for {}", from,
                     to == 1 ? "summed" : "divided", to);
}

Matrix matrix_of(const Tensor& tensor) {
  const int64_t rows = tensor.shape()[0];
  Matrix matrix(rows, tensor.elements() / rows);
  Tensor::over(matrix.data(), DType::kF64, tensor.shape()).copy_from(tensor);
  return matrix;
}

}  // namespace

std::string Classifier::label(size_t c) const {
  return label_names.empty() ? fmt::format("class {}", c) : label_names[c];
}

Classifier load_classifier(const std::string& folder, const std::string& precision,
                           const std::string& kernels) {
  Classifier loaded{load_vision_model(folder), {}, {}, {}};
  const std::string path = config_path(folder);
  const VisionConfig& config = loaded.model->config();
  loaded.transform = stored_transform(config, loaded.config, path);
  loaded.split = stored_split(loaded.config, path);
  loaded.execution = stored_execution(loaded.model->dtype(), precision, kernels);
  require_precision(loaded.execution, config.arch, config.block());
  return loaded;
}

std::string config_json(const Classifier& classifier) {
  const DataOptions& options = classifier.split;
  Json split = {{"seed", options.seed},
                {"val_fraction", options.val_fraction},
                {"photo_side", options.photo_side}};
  if (!options.trained_on.empty()) split["trained_on"] = options.trained_on;
  const std::string text = vision_config_to_json(classifier.model->config(), classifier.label_names,
                                                 json_line({{"split", split}}));
  Json json = parse_json(text, "config.json");
  json["pretrained_cfg"].update({{"mean", classifier.transform.mean},
                                 {"std", classifier.transform.std},
                                 {"crop_pct", classifier.transform.crop_fraction}});
  return json_text(json);
}

DataOptions stored_split(const std::string& text, const std::string& path) {
  const Json json = parse_json(text, path);
  if (!json.contains(Json::json_pointer("/gmlp/split"))) return {.photo_side = 0, .trained_on = {}};
  refuse_if(!json.value(Json::json_pointer("/gmlp/split/seed"), Json()).is_number_unsigned(),
            "{}: \"split\" has no seed; correct the file", path);
  DataOptions options;
  const std::vector<ConfigField> fields = {
      {"split", "seed", &options.seed},
      {"split", "val_fraction", &options.val_fraction, "\"val_fraction\"", 0, 1},
      {"split", "photo_side", &options.photo_side, "\"photo_side\"", 0},
      {"split", "trained_on", &options.trained_on}};
  read_fields(json.at("gmlp"), fields, path);
  in_file(path, [&] { check_fields(fields); });
  return options;
}

std::vector<std::string> initialize_from(VisionModel& model, const std::string& path) {
  std::set<std::string> lines;  // one for all blocks
  const auto convert = [&](const std::string& name, const Tensor& stored, const Tensor& into) {
    const Shape& shape = stored.shape();
    if (shape.rank() != into.shape().rank() || shape.elements() == 0) return false;
    const Matrix source = matrix_of(stored);
    Matrix result = matrix_of(into);
    const bool gate = name.find(".gate.proj.") != std::string::npos, stem = shape.rank() == 4;
    const std::string line = gate   ? convert_gate(model.config(), source, result)
                             : stem ? convert_stem(shape[1], into.shape()[1], source, result)
                                    : "";
    if (line.empty()) return false;
    into.copy_from(Tensor::over(result.data(), DType::kF64, into.shape()));
    lines.insert(line);
    return true;
  };
  std::vector<std::string> notes = initialize_from(model, path, convert);
  notes.insert(notes.end(), lines.begin(), lines.end());
  return notes;
}

}  // namespace gmlp
