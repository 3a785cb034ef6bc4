// VisionModel::forward and GmlpBlock::forward_composed once more, as nodes of a graph. Weights keep
// timm's names; those that multiply from the right are stored transposed, as MatMul reads them.

#include "apps/vision/onnx_model.h"

#include <cmath>
#include <map>

#include "apps/vision/onnx_writer.h"
#include "core/error.h"

namespace gmlp {

namespace {

constexpr int64_t kLargestMessage = (int64_t{1} << 31) - 1;  // of protobuf
constexpr int64_t kRoomForNodes = int64_t{1} << 24;

Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.shape().rows();
  const int64_t cols = matrix.shape().cols();
  Tensor result = Tensor::zeros(DType::kF32, {cols, rows});
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      result.data<float>()[c * rows + r] = static_cast<float>(matrix.at(r * cols + c));
    }
  }
  return result;
}

/// Each function takes the names of its inputs and returns that of its output. `name` is the timm
/// module whose weights it uses, and what its nodes are called.
class GraphOfModel {
 public:
  explicit GraphOfModel(const VisionModel& model)
      : config_(model.config()), block_(config_.block()), graph_("gmlp") {
    for (const Parameter* parameter : model.parameters()) {
      values_[parameter->name] = parameter->value;
    }
  }

  std::string build(const std::string& config_json) {
    graph_.input("images", {-1, config_.chans, config_.img_height, config_.img_width});
    graph_.output("logits", {-1, config_.classes});
    root_two_ = graph_.constant("sqrt(2)", static_cast<float>(std::sqrt(2.0)));
    one_ = graph_.constant("1", 1.0f);
    half_ = graph_.constant("1/2", 0.5f);
    std::string x = patches("images");
    if (config_.class_token) x = prepend_token(x);
    for (int64_t i = 0; i < config_.depth; ++i) x = block(x, "blocks." + std::to_string(i));
    x = layernorm(x, "norm", 1e-6);
    if (config_.class_token) {
      const std::string place = graph_.constant("cls_token.place", std::vector<int64_t>{0});
      x = graph_.node("Gather", "cls_token.out", {x, place}, {{"axis", int64_t{1}}});
      x = graph_.node("Flatten", "cls_token.row", {x});
      x = matrix_product(x, "pre_head", "pre_head");
    } else {
      const std::vector<int64_t> tokens = {1};
      x = graph_.node("ReduceMean", "pool", {x}, {{"axes", tokens}, {"keepdims", int64_t{0}}});
    }
    matrix_product(x, "head", "logits");
    return graph_.model({{"config.json", config_json}});
  }

 private:
  std::string weight(const std::string& name) { return graph_.constant(name, values_.at(name)); }

  /// (B, C, H, W) -> (B, N, D)
  std::string patches(const std::string& images) {
    const std::vector<int64_t> side = {config_.patch, config_.patch};
    const std::string maps = graph_.node(
        "Conv", "stem.proj", {images, weight("stem.proj.weight"), weight("stem.proj.bias")},
        {{"kernel_shape", side}, {"strides", side}});
    const std::vector<int64_t> shape = {0, config_.d_model, -1};  // 0: as it is, the batch
    const std::string rows = graph_.constant("stem.shape", shape);
    const std::string flat = graph_.node("Reshape", "stem.flat", {maps, rows});
    const std::vector<int64_t> order = {0, 2, 1};
    return graph_.node("Transpose", "stem.tokens", {flat}, {{"perm", order}});
  }

  /// The class token, as often as there are images, before the others.
  std::string prepend_token(const std::string& x) {
    const std::string batch =
        graph_.node("Shape", "cls_token.batch", {x}, {{"start", int64_t{0}}, {"end", int64_t{1}}});
    const std::vector<int64_t> row = {1, config_.d_model};
    const std::string shape =
        graph_.node("Concat", "cls_token.shape",
                    {batch, graph_.constant("cls_token.row_shape", row)}, {{"axis", int64_t{0}}});
    const std::string token = graph_.node("Expand", "cls_token.in", {weight("cls_token"), shape});
    return graph_.node("Concat", "cls_token.tokens", {token, x}, {{"axis", int64_t{1}}});
  }

  /// models/gmlp_block.cpp has the same lines.
  std::string block(const std::string& shortcut, const std::string& name) {
    const std::string mlp = name + ".mlp_channels";
    std::string x = layernorm(shortcut, name + ".norm", block_.norm_eps);
    const std::string z = gelu(linear(x, mlp + ".fc1"), mlp + ".act");
    std::string u = z;
    std::string v = z;
    if (block_.gate == Gate::kSplit) {
      u = mlp + ".u";
      v = mlp + ".v";
      graph_.node("Split", {u, v}, {z}, {{"axis", int64_t{2}}});
    }
    v = layernorm(v, mlp + ".gate.norm", block_.gate_eps);
    v = spatial_project(v, mlp + ".gate.proj");
    switch (block_.gate) {
      case Gate::kSplit:
      case Gate::kMultiplicative:
        v = graph_.node("Mul", mlp + ".gate", {u, v});
        break;
      case Gate::kAdditive:
        v = graph_.node("Add", mlp + ".gate", {u, v});
        break;
      case Gate::kLinear:
        break;
    }
    return graph_.node("Add", name, {shortcut, linear(v, mlp + ".fc2")});
  }

  std::string layernorm(const std::string& x, const std::string& name, double eps) {
    return graph_.node("LayerNormalization", name,
                       {x, weight(name + ".weight"), weight(name + ".bias")},
                       {{"axis", int64_t{-1}}, {"epsilon", static_cast<float>(eps)}});
  }

  /// (B, N, in) -> (B, N, out)
  std::string linear(const std::string& x, const std::string& name) {
    const std::string right =
        graph_.constant(name + ".weight.transposed", transposed(values_.at(name + ".weight")));
    const std::string product = graph_.node("MatMul", name + ".product", {x, right});
    return graph_.node("Add", name, {product, weight(name + ".bias")});
  }

  /// (B, in) -> (B, out)
  std::string matrix_product(const std::string& x, const std::string& name,
                             const std::string& output) {
    return graph_.node("Gemm", output, {x, weight(name + ".weight"), weight(name + ".bias")},
                       {{"transB", int64_t{1}}});
  }

  /// W v + b over tokens: W multiplies from the left, each row has its own b.
  std::string spatial_project(const std::string& v, const std::string& name) {
    const std::string product =
        graph_.node("MatMul", name + ".product", {weight(name + ".weight"), v});
    const Tensor& bias = values_.at(name + ".bias");
    const std::string column = graph_.constant(name + ".bias", bias.reshaped({bias.elements(), 1}));
    return graph_.node("Add", name, {product, column});
  }

  /// x (1 + erf(x / √2)) / 2, in the order of operations that runtimes know and fuse.
  std::string gelu(const std::string& x, const std::string& name) {
    const std::string scaled = graph_.node("Div", name + ".scaled", {x, root_two_});
    const std::string erf = graph_.node("Erf", name + ".erf", {scaled});
    const std::string sum = graph_.node("Add", name + ".sum", {erf, one_});
    const std::string product = graph_.node("Mul", name + ".product", {x, sum});
    return graph_.node("Mul", name, {product, half_});
  }

  VisionConfig config_;
  BlockConfig block_;
  OnnxGraph graph_;
  std::map<std::string, Tensor> values_;
  std::string root_two_, one_, half_;
};

}  // namespace

std::string onnx_model(const VisionModel& model, const std::string& config_json) {
  require_onnx_fits(model.config());
  return GraphOfModel(model).build(config_json);
}

void require_onnx_fits(const VisionConfig& config) {
  const int64_t bytes = 4 * config.parameter_count();
  if (bytes > kLargestMessage - kRoomForNodes) {
    fail_input(
        "{}: {} bytes of weights; an ONNX file of one piece ends at {}; use --format timm instead",
        config.name, bytes, kLargestMessage);
  }
}

}  // namespace gmlp
