// An exported graph, run by an interpreter of its own, gives the model's numbers.

#include <nlohmann/json.hpp>

#include "apps/vision/evaluate.h"
#include "apps/vision/onnx_model.h"
#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/random_tensor.h"
#include "tests/train/onnx_interpreter.h"

namespace gmlp {

namespace {

using test::OnnxFile;
using test::OnnxValue;

VisionConfig small_config() {
  VisionConfig config;
  config.img_height = 12;
  config.img_width = 8;
  config.patch = 4;
  config.chans = 3;
  config.classes = 5;
  config.depth = 2;
  config.d_model = 6;
  config.d_ffn = 10;
  return config;
}

/// Nothing is zero, so that nothing can be missing unseen.
void fill_weights(const VisionModel& model) {
  uint64_t seed = 1;
  for (const Parameter* parameter : model.parameters()) {
    parameter->value.copy_from(
        test::random_tensor(DType::kF32, parameter->value.shape(), ++seed, 0.5));
  }
}

void expect_same_logits(const VisionConfig& config, DType dtype) {
  INFO("gate " << gate_name(config.gate) << ", class token " << config.class_token);
  VisionModel model(config, dtype, 1);
  fill_weights(model);
  const Tensor images =
      test::random_tensor(DType::kF32, {3, config.chans, config.img_height, config.img_width}, 99);
  Arena arena;
  const Tensor expected = predict_logits(model, images, Backend::kReference, arena);

  const OnnxFile file = test::read_onnx(onnx_model(model, "{}"));
  OnnxValue input{images.shape().to_vector(), {}};
  for (int64_t i = 0; i < images.elements(); ++i) input.data.push_back(images.at(i));
  const OnnxValue found = test::run_onnx(file, "images", input, "logits");
  REQUIRE(found.shape == expected.shape().to_vector());
  const Tensor logits = Tensor::zeros(DType::kF64, expected.shape());
  for (int64_t i = 0; i < logits.elements(); ++i) {
    logits.data<double>()[i] = found.data[static_cast<size_t>(i)];
  }
  CHECK(test::norm_relative(logits, expected) <= 2e-6);
}

}  // namespace

TEST_CASE("an exported ONNX graph computes the model's logits for every gate", "[onnx]") {
  VisionConfig config = small_config();
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    config.gate = gate;
    expect_same_logits(config, DType::kF32);
  }
}

TEST_CASE("an exported ONNX graph computes the logits of the paper's class-token form", "[onnx]") {
  VisionConfig config = small_config();
  config.class_token = true;
  expect_same_logits(config, DType::kF32);
}

TEST_CASE("a float64 model is exported in float32", "[onnx]") {
  expect_same_logits(small_config(), DType::kF64);
}

TEST_CASE("an ONNX file holds every tensor, its version, any batch size and the configuration",
          "[onnx]") {
  VisionConfig config = small_config();
  config.class_token = true;
  VisionModel model(config, DType::kF32, 1);
  fill_weights(model);
  const OnnxFile file = test::read_onnx(onnx_model(model, "{\"a\": 1}"));
  CHECK(file.ir_version == 8);
  CHECK(file.operators == 17);
  CHECK(file.producer == "gmlp");
  CHECK(file.inputs.at("images") == std::vector<int64_t>{-1, 3, 12, 8});
  CHECK(file.outputs.at("logits") == std::vector<int64_t>{-1, 5});
  CHECK(file.metadata.at("config.json") == "{\"a\": 1}");

  for (const Parameter* parameter : model.parameters()) {
    INFO(parameter->name);
    const OnnxValue& stored = file.constants.at(parameter->name);
    const Shape& shape = parameter->value.shape();
    REQUIRE(static_cast<int64_t>(stored.data.size()) == shape.elements());
    bool same = true;
    for (int64_t i = 0; i < shape.elements(); ++i) {
      same = same && stored.data[static_cast<size_t>(i)] == parameter->value.at(i);
    }
    CHECK(same);
  }
}

TEST_CASE("a model larger than a protobuf message is refused before anything is made", "[onnx]") {
  // Only its configuration is large: 600 M parameters would be 2.4 GB.
  VisionConfig config = small_config();
  CHECK_NOTHROW(require_onnx_fits(config));
  config.depth = 100;
  config.d_model = 1000;
  config.d_ffn = 4000;
  REQUIRE(config.parameter_count() > 500'000'000);
  CHECK_THROWS_AS(require_onnx_fits(config), InputError);
}

}  // namespace gmlp
