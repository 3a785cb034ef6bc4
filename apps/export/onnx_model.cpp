// An ONNX file is a protobuf message, and a gMLP needs few of the format's messages, so they are
// written here.
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

#include "apps/export/onnx_model.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <string_view>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/export/graph.h"
#include "apps/export/protobuf.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

constexpr int64_t kIrVersion = 8;  // the version that introduced operator set 17
constexpr int64_t kOperatorSet = 17;
// TensorProto.DataType and AttributeProto.AttributeType
constexpr int64_t kTypeFloat = 1, kTypeInt64 = 7;
constexpr int64_t kAttributeFloat = 1, kAttributeInt = 2, kAttributeInts = 7;

// A protobuf message has at most 2 GiB, of which 16 MiB are enough for everything but the weights.
constexpr int64_t kMaxElements = ((int64_t{1} << 31) - (int64_t{1} << 24)) / 4;

using Ints = std::vector<int64_t>;

Message value_info(const std::string& name, int64_t element, const Ints& shape) {
  Message dims, tensor, type, info;
  for (const int64_t dim : shape) {
    Message dimension;
    dims.add(1, dim < 0 ? dimension.add(2, "batch") : dimension.add(1, dim));
  }
  type.add(1, tensor.add(1, element).add(2, dims));
  return info.add(1, name).add(2, type);
}

/// `text` is JSON: a whole number, a number with a fraction, or a list of whole numbers.
Message attribute(const std::string& name, const std::string& text) {
  const Json value = parse_json(text, name);
  Message message;
  message.add(1, name);
  if (value.is_number_float()) return message.add(2, value.get<float>()).add(20, kAttributeFloat);
  if (!value.is_array()) return message.add(3, value.get<int64_t>()).add(20, kAttributeInt);
  for (const int64_t number : value.get<Ints>()) message.add(8, number);
  return message.add(20, kAttributeInts);
}

std::string number(double value) {
  return fmt::format("{:.9e}", value);
}

/// The value of a condition of graph.txt.
const char* flag(bool holds) {
  return holds ? "1" : "";
}

/// A graph under construction, with the weights that its nodes name.
class Graph {
 public:
  /// The settings and conditions of graph.txt.
  TemplateValues values;
  Message message;

  Graph(const std::vector<Parameter*>& weights, const BlockConfig& block, Arch arch,
        int64_t heads) {
    const int64_t head_width = block.d_model / std::max<int64_t>(heads, 1);
    values = {{"eps", number(block.norm_eps)},
              {"gate_eps", number(block.gate_eps)},
              {"attention_scale", number(1 / std::sqrt(static_cast<double>(block.d_attn)))},
              {"d_model", std::to_string(block.d_model)},
              {"heads", std::to_string(heads)},
              {"head_width", std::to_string(head_width)},
              {"head_scale", number(1 / std::sqrt(static_cast<double>(head_width)))},
              {"gmlp", flag(arch == Arch::kGmlp)},
              {"mixer", flag(arch == Arch::kMixer)},
              {"transformer", flag(arch != Arch::kGmlp && arch != Arch::kMixer)},
              {"toeplitz", flag(block.toeplitz)},
              {"causal", flag(block.causal)},
              {"pairs", flag(block.causal || block.toeplitz)},
              {"attention", flag(block.d_attn > 0)}};
    for (const std::string& gate : kGates.names)
      values[gate] = flag(gate == kGates.name(block.gate));
    message.add(2, "gmlp");
    int64_t elements = 0;
    for (const Parameter* weight : weights) {
      weights_[weight->name] = weight->value;
      elements += weight->value.elements();
    }
    if (elements <= kMaxElements) return;
    fail_input("{} parameters, but an ONNX file holds {} at most; use model.safetensors", elements,
               kMaxElements);
  }

  /// Adds the lines of a section of graph.txt. Returns false if there is none.
  bool add(const std::string& section, const std::string& y = "", const std::string& x = "") {
    const std::string text = kGraphText, title = "\n[" + section + "]\n";
    const size_t found = text.find(title), begin = found + title.size();
    if (found == text.npos) return false;
    TemplateValues here = values;
    here["y"] = y;
    here["x"] = x;
    const std::string lines = text.substr(begin, text.find("\n\n", begin) - begin);
    for (const std::string& line : lines_of(fill_in_template(lines, here))) add_line(line);
    return true;
  }

  /// The file's bytes. `kind` is "Vision" or "Language". Throws InputError if the model has weights
  /// that the graph does not know.
  std::string file(const std::string& kind, int64_t depth, const OnnxMetadata& metadata) {
    std::string x = "tokens";
    add("Constants");
    add(kind);
    for (int64_t i = 0; i < depth; ++i) {
      const std::string y = fmt::format("blocks.{}", i);
      add("Block", y, std::exchange(x, y));
    }
    add(kind + "Head", "", x);
    if (!weights_.empty()) {
      fail_input(
          "--format onnx writes no model with {}: relative positions stay in training; export one "
          "of --arch gmlp, transformer or mixer, or read model.safetensors",
          weights_.begin()->first);
    }
    Message file, operators;
    file.add(1, kIrVersion).add(2, "gmlp").add(3, GMLP_VERSION).add(7, message);
    file.add(8, operators.add(2, kOperatorSet));  // of the domain "", ONNX's own
    for (const auto& [key, value] : metadata) file.add(14, Message().add(1, key).add(2, value));
    return file.bytes;
  }

 private:
  void add_line(const std::string& line) {
    Message node;
    std::string y, op, x, word;
    std::istringstream words(line);
    words.exceptions(std::ios::badbit);  // else a stream that runs out of memory just ends
    while (words >> word && word != "=") {
      if (y.empty()) y = word;
      node.add(2, word);
    }
    words >> op;
    while (words >> word) {
      const size_t equals = word.find('=');
      if (equals != word.npos) {
        node.add(5, attribute(word.substr(0, equals), word.substr(equals + 1)));
        continue;
      }
      if (x.empty()) x = word;
      node.add(1, word);
      add_weight(word);
    }
    if (!add(op, y, x)) message.add(1, node.add(3, y).add(4, op));
  }

  /// Stores the weight in float32, if `name` is one that is not stored yet.
  void add_weight(const std::string& name) {
    const auto weight = weights_.extract(name);
    if (weight.empty()) return;
    const Tensor f32 = Tensor::zeros(DType::kF32, weight.mapped().shape());
    f32.copy_from(weight.mapped());
    Message tensor;
    for (const int64_t dim : f32.shape().to_vector()) tensor.add(1, dim);
    tensor.add(2, kTypeFloat).add(8, name);
    const std::string_view raw(static_cast<const char*>(f32.raw()),
                               static_cast<size_t>(f32.bytes()));
    message.add(5, tensor.add(9, raw));
  }

  std::map<std::string, Tensor> weights_;  // not stored yet
};

}  // namespace

std::string onnx_model(const VisionModel& model, const OnnxMetadata& metadata) {
  const VisionConfig& config = model.config();
  Graph graph(model.parameters(), config.block(), config.arch, config.heads);
  graph.message.add(11, value_info("images", kTypeFloat,
                                   {-1, config.chans, config.img_height, config.img_width}));
  graph.message.add(12, value_info("logits", kTypeFloat, {-1, config.classes}));
  graph.values["patch"] = fmt::format("[{0},{0}]", config.patch);
  graph.values["class_token"] = flag(config.class_token);
  return graph.file("Vision", config.depth, metadata);
}

Ints onnx_logits_shape(const LanguageConfig& config) {
  if (config.head == LanguageHead::kClassify) return {-1, config.classes};
  return {-1, config.block.tokens, config.head == LanguageHead::kSpan ? 2 : config.vocab};
}

std::string onnx_model(const LanguageModel& model, const OnnxMetadata& metadata) {
  const LanguageConfig& config = model.config();
  Graph graph(model.parameters(), config.block, config.arch, config.heads);
  graph.message.add(11, value_info("ids", kTypeInt64, {-1, config.block.tokens}));
  graph.message.add(12, value_info("logits", kTypeFloat, onnx_logits_shape(config)));
  Ints places(static_cast<size_t>(config.block.tokens));
  std::iota(places.begin(), places.end(), 0);
  graph.values["places"] = fmt::format("[{}]", fmt::join(places, ","));
  graph.values["last"] = std::to_string(config.block.tokens - 1);
  graph.values["output"] = config.has_output() ? "output.weight" : "embed.weight";
  graph.values["classify"] = flag(config.head == LanguageHead::kClassify);
  graph.values["span"] = flag(config.head == LanguageHead::kSpan);
  return graph.file("Language", config.depth, metadata);
}

std::string onnx_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    std::string quoted = json_line(name);  // whose escapes are Python's
    if (quoted.find('\'') == quoted.npos) quoted.front() = quoted.back() = '\'';
    text += fmt::format("{}{}: {}", text.empty() ? "{" : ", ", &name - names.data(), quoted);
  }
  return text + "}";
}

}  // namespace gmlp
