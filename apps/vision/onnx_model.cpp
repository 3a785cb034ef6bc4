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
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

constexpr int64_t kIrVersion = 8;  // the version that introduced operator set 17
constexpr int64_t kOperatorSet = 17;
// TensorProto.DataType and AttributeProto.AttributeType
constexpr int64_t kTypeFloat = 1;
constexpr int64_t kAttributeFloat = 1, kAttributeInt = 2, kAttributeInts = 7;

using Ints = std::vector<int64_t>;

std::string_view bytes_of(const float* data, int64_t count) {
  return {reinterpret_cast<const char*>(data), static_cast<size_t>(count) * sizeof(float)};
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

/// `text` is JSON: a whole number, a number with a fraction, or a list of whole numbers.
Message attribute(const std::string& name, const std::string& text) {
  const nlohmann::ordered_json value = parse_json(text, name);
  Message message;
  message.add(1, name);
  if (value.is_number_float()) return message.add(2, value.get<float>()).add(20, kAttributeFloat);
  if (!value.is_array()) return message.add(3, value.get<int64_t>()).add(20, kAttributeInt);
  for (const int64_t number : value.get<Ints>()) message.add(8, number);
  return message.add(20, kAttributeInts);
}

/// A graph under construction, with the weights that its nodes name.
class Graph {
 public:
  explicit Graph(const std::vector<Parameter*>& weights) {
    message.add(2, "gmlp");
    for (const Parameter* weight : weights) weights_[weight->name] = weight->value;
  }

  /// Nodes, one per line: "output... = Operator input... attribute=JSON...". An input may be a
  /// weight's name.
  void add(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string word, first;
      Message node;
      while (words >> word && word != "=") {
        if (first.empty()) first = word;
        node.add(2, word);
      }
      if (first.empty()) continue;
      words >> word;
      node.add(3, first).add(4, word);
      while (words >> word) {
        const size_t equals = word.find('=');
        if (equals != word.npos) {
          node.add(5, attribute(word.substr(0, equals), word.substr(equals + 1)));
        } else {
          node.add(1, word);
          add_weight(word);
        }
      }
      message.add(1, node);
    }
  }

  Message message;

 private:
  /// Stores the weight in float32, if `name` is one.
  void add_weight(const std::string& name) {
    static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");
    const auto weight = weights_.find(name);
    if (weight == weights_.end()) return;
    const Tensor values = Tensor::zeros(DType::kF32, weight->second.shape());
    values.copy_from(weight->second);
    Message tensor;
    for (const int64_t dim : values.shape().to_vector()) tensor.add(1, dim);
    tensor.add(2, kTypeFloat).add(8, name);
    message.add(5, tensor.add(9, bytes_of(values.data<float>(), values.elements())));
  }

  std::map<std::string, Tensor> weights_;
};

// VisionModel::forward and GmlpBlock::forward_composed as nodes. Weights have timm's names, and
// nodes those of timm's modules. Runtimes compute once what depends on weights alone.

constexpr const char* kModel = R"(
sqrt(2) = Constant value_float={sqrt_2}
1 = Constant value_float=1.0
1/2 = Constant value_float=0.5
column = Constant value_ints=[-1,1]
stem.proj = Conv images stem.proj.weight stem.proj.bias kernel_shape={patch} strides={patch}
stem.shape = Constant value_ints=[0,{d_model},-1]
stem.flat = Reshape stem.proj stem.shape
stem.tokens = Transpose stem.flat perm=[0,2,1]
{blocks}
norm = LayerNormalization {x} norm.weight norm.bias axis=-1 epsilon=1e-6
{pool}
logits = Gemm pool head.weight head.bias transB=1
)";

/// The class token before the tokens of each image, and its way to the head.
constexpr const char* kPrependToken = R"(
cls_token.batch = Shape stem.tokens start=0 end=1
cls_token.row_shape = Constant value_ints=[1,{d_model}]
cls_token.shape = Concat cls_token.batch cls_token.row_shape axis=0
cls_token.in = Expand cls_token cls_token.shape
cls_token.tokens = Concat cls_token.in stem.tokens axis=1
)";
constexpr const char* kTokenPool = R"(
cls_token.place = Constant value_ints=[0]
cls_token.out = Gather norm cls_token.place axis=1
cls_token.row = Flatten cls_token.out
pool = Gemm cls_token.row pre_head.weight pre_head.bias transB=1
)";
constexpr const char* kMeanPool = "pool = ReduceMean norm axes=[1] keepdims=0";

/// x -> name. GELU is x (1 + erf(x / √2)) / 2, in the order that runtimes recognize and fuse. The
/// spatial weight multiplies from the left.
constexpr const char* kBlock = R"(
{name}.norm = LayerNormalization {x} {name}.norm.weight {name}.norm.bias axis=-1 epsilon={eps}
{mlp}.fc1.transposed = Transpose {mlp}.fc1.weight perm=[1,0]
{mlp}.fc1.product = MatMul {name}.norm {mlp}.fc1.transposed
{mlp}.fc1 = Add {mlp}.fc1.product {mlp}.fc1.bias
{mlp}.act.scaled = Div {mlp}.fc1 sqrt(2)
{mlp}.act.erf = Erf {mlp}.act.scaled
{mlp}.act.sum = Add {mlp}.act.erf 1
{mlp}.act.product = Mul {mlp}.fc1 {mlp}.act.sum
{mlp}.act = Mul {mlp}.act.product 1/2
{split}
{gate}.norm = LayerNormalization {v} {gate}.norm.weight {gate}.norm.bias axis=-1 epsilon={gate_eps}
{gate}.proj.product = MatMul {gate}.proj.weight {gate}.norm
{gate}.proj.column = Reshape {gate}.proj.bias column
{gate}.proj = Add {gate}.proj.product {gate}.proj.column
{gate} = {combine} {gate}.proj
{mlp}.fc2.transposed = Transpose {mlp}.fc2.weight perm=[1,0]
{mlp}.fc2.product = MatMul {gate} {mlp}.fc2.transposed
{mlp}.fc2 = Add {mlp}.fc2.product {mlp}.fc2.bias
{name} = Add {x} {mlp}.fc2
)";

/// The nodes of the block `name`, whose input is `x`.
std::string block_nodes(const BlockConfig& block, const std::string& name, const std::string& x) {
  const std::string mlp = name + ".mlp_channels";
  std::string u = mlp + ".act", v = u, split;
  if (block.gate == Gate::kSplit) {
    u = mlp + ".u";
    v = mlp + ".v";
    split = fmt::format("{} {} = Split {}.act axis=2", u, v, mlp);
  }
  const std::string combine = block.gate == Gate::kLinear     ? "Identity"
                              : block.gate == Gate::kAdditive ? "Add " + u
                                                              : "Mul " + u;
  using fmt::arg;
  return fmt::format(fmt::runtime(kBlock), arg("name", name), arg("x", x), arg("mlp", mlp),
                     arg("gate", mlp + ".gate"), arg("split", split), arg("v", v),
                     arg("combine", combine), arg("eps", block.norm_eps),
                     arg("gate_eps", block.gate_eps));
}

}  // namespace

std::string onnx_model(const VisionModel& model, const std::string& config_json) {
  using fmt::arg, fmt::runtime;
  const VisionConfig& config = model.config();
  require_onnx_fits(config);
  std::string x = "stem.tokens", blocks;
  if (config.class_token) {
    blocks = fmt::format(runtime(kPrependToken), arg("d_model", config.d_model));
    x = "cls_token.tokens";
  }
  for (int64_t i = 0; i < config.depth; ++i) {
    const std::string name = fmt::format("blocks.{}", i);
    blocks += block_nodes(config.block(), name, x);
    x = name;
  }
  Graph graph(model.parameters());
  graph.message.add(11,
                    value_info("images", {-1, config.chans, config.img_height, config.img_width}));
  graph.message.add(12, value_info("logits", {-1, config.classes}));
  graph.add(fmt::format(runtime(kModel), arg("sqrt_2", static_cast<float>(std::sqrt(2.0))),
                        arg("patch", fmt::format("[{0},{0}]", config.patch)),
                        arg("d_model", config.d_model), arg("blocks", blocks), arg("x", x),
                        arg("pool", config.class_token ? kTokenPool : kMeanPool)));

  Message file, operators, entry;
  file.add(1, kIrVersion).add(2, "gmlp").add(3, GMLP_VERSION).add(7, graph.message);
  file.add(8, operators.add(2, kOperatorSet));  // of the domain "", ONNX's own
  return file.add(14, entry.add(1, "config.json").add(2, config_json)).bytes;
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
