// An exported graph, run by an interpreter of its own, gives the model's numbers.

#include <nlohmann/json.hpp>
#include <set>

#include "apps/export/onnx_model.h"
#include "apps/vision/commands.h"
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

LanguageConfig small_language(bool causal) {
  LanguageConfig config;
  config.vocab = 11;
  config.depth = 2;
  config.block = {.tokens = 7, .d_model = 6, .d_ffn = 10, .causal = causal};
  return config;
}

/// Nothing is zero, so that nothing can be missing unseen.
template <typename Model>
void fill_weights(const Model& model) {
  uint64_t seed = 1;
  for (const Parameter* parameter : model.parameters()) {
    parameter->value.copy_from(
        test::random_tensor(DType::kF32, parameter->value.shape(), ++seed, 0.5));
  }
}

/// Runtimes warn of values that nothing reads.
void expect_all_read(const OnnxFile& file) {
  std::set<std::string> read = {"logits"};
  for (const test::OnnxNode& node : file.nodes) read.insert(node.inputs.begin(), node.inputs.end());
  for (const test::OnnxNode& node : file.nodes) {
    for (const std::string& output : node.outputs) {
      INFO(output);
      CHECK(read.count(output) == 1);
    }
  }
}

void expect_same(const OnnxValue& found, const Tensor& expected) {
  REQUIRE(found.shape == expected.shape().to_vector());
  const Tensor logits = Tensor::zeros(DType::kF64, expected.shape());
  for (int64_t i = 0; i < logits.elements(); ++i) {
    logits.data<double>()[i] = found.data[static_cast<size_t>(i)];
  }
  CHECK(test::norm_relative(logits, expected) <= 2e-6);
}

void expect_same_logits(const VisionConfig& config, DType dtype) {
  INFO("gate " << kGates.name(config.gate) << ", class token " << config.class_token);
  Classifier classifier{{std::make_unique<VisionModel>(config, dtype, 1), {}, {}}, {}, {}, {}};
  classifier.execution = Backend::kReference;
  const VisionModel& model = *classifier.model;
  fill_weights(model);
  const Tensor images =
      test::random_tensor(DType::kF32, {3, config.chans, config.img_height, config.img_width}, 99);
  Arena arena;
  const Tensor expected = predict_logits(classifier, images, arena);

  const OnnxFile file = test::read_onnx(onnx_model(model, {}));
  expect_all_read(file);
  OnnxValue input{images.shape().to_vector(), {}};
  for (int64_t i = 0; i < images.elements(); ++i) input.data.push_back(images.at(i));
  expect_same(test::run_onnx(file, "images", input, "logits"), expected);
}

void expect_same_logits(const LanguageConfig& config) {
  INFO("gate " << kGates.name(config.block.gate) << ", causal " << config.block.causal
               << ", Toeplitz " << config.block.toeplitz << ", attention " << config.block.d_attn);
  LanguageModel model(config, DType::kF32, 1);
  fill_weights(model);
  const OnnxFile file = test::read_onnx(onnx_model(model, {}));
  expect_all_read(file);
  CHECK(file.inputs.at("ids") == std::vector<int64_t>{-1, config.block.tokens});
  CHECK(file.types == std::map<std::string, int64_t>{{"ids", 7}, {"logits", 1}});
  for (const int64_t batch : {1, 3}) {
    OnnxValue input{{batch, config.block.tokens}, {}};
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < batch * config.block.tokens; ++i) ids.push_back(i * i % config.vocab);
    input.data.assign(ids.begin(), ids.end());
    Arena arena;
    ExecutionOptions execution;
    execution.backend = Backend::kReference;
    Tape tape(arena, execution, false);
    const Var logits = config.head == LanguageHead::kClassify ? model.classify(tape, ids, batch)
                       : config.head == LanguageHead::kSpan   ? model.spans(tape, ids, batch)
                                                              : model.forward(tape, ids, batch);
    expect_same(test::run_onnx(file, "ids", input, "logits"), tape.value(logits));
    CHECK(file.outputs.at("logits") == onnx_logits_shape(config));
  }
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

TEST_CASE("an exported ONNX graph computes the logits of ViT and Mixer", "[onnx]") {
  VisionConfig config = small_config();
  config.arch = Arch::kMixer;
  config.spatial_ffn = 5;
  expect_same_logits(config, DType::kF32);
  config.arch = Arch::kTransformer;
  config.heads = 2;
  REQUIRE(config.d_model % config.heads == 0);
  expect_same_logits(config, DType::kF32);
  config.class_token = true;
  expect_same_logits(config, DType::kF32);
}

TEST_CASE("an exported language graph computes the logits of a Transformer and a Mixer", "[onnx]") {
  for (const bool causal : {false, true}) {
    LanguageConfig config = small_language(causal);
    config.arch = Arch::kTransformer;
    config.heads = 2;
    expect_same_logits(config);
  }
  LanguageConfig config = small_language(false);
  config.arch = Arch::kMixer;
  config.spatial_ffn = 4;
  expect_same_logits(config);
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
  const OnnxFile file = test::read_onnx(onnx_model(model, {{"config.json", "{\"a\": 1}"}}));
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

TEST_CASE("an exported language graph computes the logits of every gate, masked and causal",
          "[onnx]") {
  for (const bool causal : {false, true}) {
    LanguageConfig config = small_language(causal);
    for (const bool toeplitz : {false, true}) {
      config.block.toeplitz = toeplitz;
      for (const Gate gate :
           {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
        config.block.gate = gate;
        expect_same_logits(config);
      }
    }
    config.block.d_attn = 4;
    expect_same_logits(config);
    config.tie_embeddings = false;
    expect_same_logits(config);
  }
}

TEST_CASE("an exported language graph computes the logits of a finetuned head", "[onnx]") {
  LanguageConfig config = small_language(false);
  config.head = LanguageHead::kSpan;
  expect_same_logits(config);
  config.head = LanguageHead::kClassify;
  config.classes = 3;
  expect_same_logits(config);
}

TEST_CASE("relative positions are refused by name, and by what to do", "[onnx]") {
  LanguageConfig config = small_language(false);
  config.arch = Arch::kTransformerRelpos;
  config.heads = 2;
  CHECK_THROWS_WITH(
      onnx_model(LanguageModel(config, DType::kF32, 1), {}),
      Catch::Matchers::Contains("attn.relpos") && Catch::Matchers::Contains("--arch gmlp"));
}

TEST_CASE("class names in an ONNX file are a Python literal whatever they contain", "[onnx]") {
  CHECK(onnx_names({"cat", "a dog"}) == "{0: 'cat', 1: 'a dog'}");
  CHECK(onnx_names({"it's", "a \"b\"\n\\"}) == R"({0: "it's", 1: 'a \"b\"\n\\'})");
}

TEST_CASE("a model larger than a protobuf message is refused before anything is made", "[onnx]") {
  // Only its shapes are large: 600 M parameters would be 2.4 GB.
  VisionConfig config = small_config();
  config.depth = 100;
  config.d_model = 1000;
  config.d_ffn = 4000;
  REQUIRE(config.parameter_count() > 500'000'000);
  CHECK_THROWS_AS(onnx_model(VisionModel(config, DType::kF32, 1, Storage::kMeta), {}), InputError);
}

}  // namespace gmlp
