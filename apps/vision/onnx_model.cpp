// An ONNX file is a protobuf message, and a gMLP needs few of the format's messages, so they are
// written here. libonnx and libprotobuf would add some ten packages to a fresh machine.
//
//   ModelProto      1 ir_version, 2 producer_name, 3 producer_version, 7 graph, 8 opset_import,
//                   14 metadata_props
//   GraphProto      1 node, 2 name, 5 initializer, 11 input, 12 output
//   NodeProto       1 input, 2 output, 3 name, 4 op_type, 5 attribute
//   AttributeProto  1 name, 2 f, 3 i, 8 ints, 20 type
//   TensorProto     1 dims, 2 data_type, 8 name, 9 raw_data (little-endian)
//   ValueInfoProto  1 name, 2 type { 1 tensor_type { 1 elem_type, 2 shape { 1 dim } } }
//
// Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

#include "apps/vision/onnx_model.h"

#include <bit>
#include <cmath>
#include <map>
#include <string_view>

#include "core/error.h"

namespace gmlp {

namespace {

constexpr int64_t kIrVersion = 8;  // the version that introduced operator set 17
constexpr int64_t kOperatorSet = 17;
// TensorProto.DataType and AttributeProto.AttributeType
constexpr int64_t kTypeFloat = 1, kTypeInt64 = 7;
constexpr int64_t kAttributeFloat = 1, kAttributeInt = 2, kAttributeInts = 7;

using Ints = std::vector<int64_t>;
using Names = std::vector<std::string>;

template <class T>
std::string_view bytes_of(const T* data, size_t count) {
  return {static_cast<const char*>(static_cast<const void*>(data)), count * sizeof(T)};
}

/// Fields one after another: a tag (field * 8 + wire type), then a varint (wire type 0), four bytes
/// (type 5), or a length and that many bytes (type 2: text, a message, raw data).
struct Message {
  std::string bytes;

  Message& add(uint64_t field, int64_t value) {
    varint(field * 8);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message& add(uint64_t field, float value) {
    varint(field * 8 + 5);
    bytes += bytes_of(&value, 1);
    return *this;
  }
  Message& add(uint64_t field, std::string_view value) {
    varint(field * 8 + 2);
    varint(value.size());
    bytes += value;
    return *this;
  }
  Message& add(uint64_t field, const Message& value) { return add(field, value.bytes); }

 private:
  /// Seven bits per byte, lowest first. The eighth bit says that more follow.
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
  }
};

Message value_info(const std::string& name, const Ints& shape) {
  Message dims, tensor, type, info;
  for (const int64_t dim : shape) {
    Message dimension;
    dims.add(1, dim < 0 ? dimension.add(2, "batch") : dimension.add(1, dim));
  }
  type.add(1, tensor.add(1, kTypeFloat).add(2, dims));
  return info.add(1, name).add(2, type);
}

/// An attribute of a node.
struct Attribute {
  Message message;
  Attribute(const char* name, int value) {
    message.add(1, name).add(3, int64_t{value}).add(20, kAttributeInt);
  }
  Attribute(const char* name, float value) {
    message.add(1, name).add(2, value).add(20, kAttributeFloat);
  }
  Attribute(const char* name, const Ints& value) {
    message.add(1, name);
    for (const int64_t number : value) message.add(8, number);
    message.add(20, kAttributeInts);
  }
};

/// A graph under construction. Values have names. A node's inputs must exist before it.
class Graph {
 public:
  explicit Graph(const char* name) { graph_.add(2, name); }

  /// float32 values that enter and leave the graph. A dimension of -1 is "batch", of any size.
  void input(const std::string& name, const Ints& shape) {
    graph_.add(11, value_info(name, shape));
  }
  void output(const std::string& name, const Ints& shape) {
    graph_.add(12, value_info(name, shape));
  }

  // Constants, which return `name`. Tensors of any dtype are stored in float32.
  std::string constant(const std::string& name, const Tensor& tensor) {
    Tensor values = Tensor::zeros(DType::kF32, tensor.shape());
    values.copy_from(tensor);
    return constant(name, tensor.shape().to_vector(), kTypeFloat,
                    bytes_of(values.data<float>(), static_cast<size_t>(values.elements())));
  }
  std::string constant(const std::string& name, const Ints& values) {
    return constant(name, {static_cast<int64_t>(values.size())}, kTypeInt64,
                    bytes_of(values.data(), values.size()));
  }
  std::string constant(const std::string& name, float value) {
    return constant(name, {}, kTypeFloat, bytes_of(&value, 1));
  }

  /// Adds a node with one output and returns its name.
  std::string node(const char* op, const std::string& output, const Names& inputs,
                   const std::vector<Attribute>& attributes = {}) {
    node(op, Names{output}, inputs, attributes);
    return output;
  }
  /// Adds a node with several outputs, named after the first.
  void node(const char* op, const Names& outputs, const Names& inputs,
            const std::vector<Attribute>& attributes) {
    Message node;
    for (const std::string& input : inputs) node.add(1, input);
    for (const std::string& output : outputs) node.add(2, output);
    node.add(3, outputs.front()).add(4, op);
    for (const Attribute& attribute : attributes) node.add(5, attribute.message);
    graph_.add(1, node);
  }

  /// The file's bytes, with one metadata entry.
  std::string file(const char* metadata_key, const std::string& metadata) const {
    Message model, operators, entry;
    model.add(1, kIrVersion).add(2, "gmlp").add(3, GMLP_VERSION).add(7, graph_);
    model.add(8, operators.add(2, kOperatorSet));  // of the domain "", ONNX's own
    return model.add(14, entry.add(1, metadata_key).add(2, metadata)).bytes;
  }

 private:
  std::string constant(const std::string& name, const Ints& dims, int64_t type,
                       std::string_view data) {
    static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");
    Message tensor;
    tensor.bytes.reserve(data.size() + name.size() + 64);
    for (const int64_t dim : dims) tensor.add(1, dim);
    graph_.add(5, tensor.add(2, type).add(8, name).add(9, data));
    return name;
  }

  Message graph_;
};

Tensor transposed(const Tensor& matrix) {
  const int64_t rows = matrix.shape().rows();
  const int64_t cols = matrix.shape().cols();
  Tensor result = Tensor::zeros(DType::kF32, {cols, rows});
  for (int64_t i = 0; i < rows * cols; ++i) {
    result.data<float>()[i % cols * rows + i / cols] = static_cast<float>(matrix.at(i));
  }
  return result;
}

/// VisionModel::forward and GmlpBlock::forward_composed as nodes. Weights keep timm's names;
/// MatMul's right operands are stored transposed, as "<name>.transposed".
///
/// Each function takes its inputs' names and returns its output's. `name` is the timm module whose
/// weights it reads, and the prefix of its nodes.
class ModelGraph {
 public:
  explicit ModelGraph(const VisionModel& model)
      : config_(model.config()), block_(config_.block()), graph_("gmlp") {
    for (const Parameter* parameter : model.parameters()) {
      values_[parameter->name] = parameter->value;
    }
  }

  std::string build(const std::string& config_json) {
    graph_.input("images", {-1, config_.chans, config_.img_height, config_.img_width});
    graph_.output("logits", {-1, config_.classes});
    sqrt_2_ = graph_.constant("sqrt(2)", static_cast<float>(std::sqrt(2.0)));
    one_ = graph_.constant("1", 1.0f);
    half_ = graph_.constant("1/2", 0.5f);
    std::string x = patches("images");
    if (config_.class_token) x = prepend_token(x);
    for (int64_t i = 0; i < config_.depth; ++i) x = block(x, "blocks." + std::to_string(i));
    x = layernorm(x, "norm", 1e-6);
    if (config_.class_token) {
      const std::string first = graph_.constant("cls_token.place", Ints{0});
      x = graph_.node("Gather", "cls_token.out", {x, first}, {{"axis", 1}});
      x = graph_.node("Flatten", "cls_token.row", {x});
      x = dense(x, "pre_head", "pre_head");
    } else {
      x = graph_.node("ReduceMean", "pool", {x}, {{"axes", Ints{1}}, {"keepdims", 0}});
    }
    dense(x, "head", "logits");
    return graph_.file("config.json", config_json);
  }

 private:
  std::string weight(const std::string& name) { return graph_.constant(name, values_.at(name)); }

  /// (B, C, H, W) -> (B, N, D)
  std::string patches(const std::string& images) {
    const Ints side = {config_.patch, config_.patch};
    const std::string maps = graph_.node(
        "Conv", "stem.proj", {images, weight("stem.proj.weight"), weight("stem.proj.bias")},
        {{"kernel_shape", side}, {"strides", side}});
    const std::string shape = graph_.constant("stem.shape", Ints{0, config_.d_model, -1});  // 0: B
    const std::string rows = graph_.node("Reshape", "stem.flat", {maps, shape});
    return graph_.node("Transpose", "stem.tokens", {rows}, {{"perm", Ints{0, 2, 1}}});
  }

  /// The class token before the tokens of each image.
  std::string prepend_token(const std::string& x) {
    const std::string batch =
        graph_.node("Shape", "cls_token.batch", {x}, {{"start", 0}, {"end", 1}});
    const std::string row = graph_.constant("cls_token.row_shape", Ints{1, config_.d_model});
    const std::string shape = graph_.node("Concat", "cls_token.shape", {batch, row}, {{"axis", 0}});
    const std::string token = graph_.node("Expand", "cls_token.in", {weight("cls_token"), shape});
    return graph_.node("Concat", "cls_token.tokens", {token, x}, {{"axis", 1}});
  }

  /// The same lines as in models/gmlp_block.cpp.
  std::string block(const std::string& shortcut, const std::string& name) {
    const std::string mlp = name + ".mlp_channels";
    std::string x = layernorm(shortcut, name + ".norm", block_.norm_eps);
    const std::string z = gelu(linear(x, mlp + ".fc1"), mlp + ".act");
    std::string u = z;
    std::string v = z;
    if (block_.gate == Gate::kSplit) {
      u = mlp + ".u";
      v = mlp + ".v";
      graph_.node("Split", {u, v}, {z}, {{"axis", 2}});
    }
    v = layernorm(v, mlp + ".gate.norm", block_.gate_eps);
    v = spatial_project(v, mlp + ".gate.proj");
    if (block_.gate != Gate::kLinear) {
      v = graph_.node(block_.gate == Gate::kAdditive ? "Add" : "Mul", mlp + ".gate", {u, v});
    }
    return graph_.node("Add", name, {shortcut, linear(v, mlp + ".fc2")});
  }

  std::string layernorm(const std::string& x, const std::string& name, double eps) {
    return graph_.node("LayerNormalization", name,
                       {x, weight(name + ".weight"), weight(name + ".bias")},
                       {{"axis", -1}, {"epsilon", static_cast<float>(eps)}});
  }

  /// (B, N, in) -> (B, N, out)
  std::string linear(const std::string& x, const std::string& name) {
    const std::string right =
        graph_.constant(name + ".weight.transposed", transposed(values_.at(name + ".weight")));
    const std::string product = graph_.node("MatMul", name + ".product", {x, right});
    return graph_.node("Add", name, {product, weight(name + ".bias")});
  }

  /// (B, in) -> (B, out)
  std::string dense(const std::string& x, const std::string& name, const std::string& output) {
    return graph_.node("Gemm", output, {x, weight(name + ".weight"), weight(name + ".bias")},
                       {{"transB", 1}});
  }

  /// W v + b over tokens: W multiplies from the left, and each row has its own b.
  std::string spatial_project(const std::string& v, const std::string& name) {
    const std::string product =
        graph_.node("MatMul", name + ".product", {weight(name + ".weight"), v});
    const Tensor& bias = values_.at(name + ".bias");
    const std::string column = graph_.constant(name + ".bias", bias.reshaped({bias.elements(), 1}));
    return graph_.node("Add", name, {product, column});
  }

  /// x (1 + erf(x / √2)) / 2, in the order of operations that runtimes recognize and fuse.
  std::string gelu(const std::string& x, const std::string& name) {
    const std::string scaled = graph_.node("Div", name + ".scaled", {x, sqrt_2_});
    const std::string erf = graph_.node("Erf", name + ".erf", {scaled});
    const std::string sum = graph_.node("Add", name + ".sum", {erf, one_});
    const std::string product = graph_.node("Mul", name + ".product", {x, sum});
    return graph_.node("Mul", name, {product, half_});
  }

  VisionConfig config_;
  BlockConfig block_;
  Graph graph_;
  std::map<std::string, Tensor> values_;
  std::string sqrt_2_, one_, half_;
};

}  // namespace

std::string onnx_model(const VisionModel& model, const std::string& config_json) {
  require_onnx_fits(model.config());
  return ModelGraph(model).build(config_json);
}

void require_onnx_fits(const VisionConfig& config) {
  constexpr int64_t kMaxMessage = (int64_t{1} << 31) - 1;
  constexpr int64_t kMaxNodes = int64_t{1} << 24;  // bytes of everything but the weights
  const int64_t bytes = 4 * config.parameter_count();
  if (bytes <= kMaxMessage - kMaxNodes) return;
  fail_input("{}: {} bytes of weights, but an ONNX file holds at most {}; use --format timm",
             config.name, bytes, kMaxMessage);
}

}  // namespace gmlp
