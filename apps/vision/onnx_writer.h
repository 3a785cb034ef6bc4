#pragma once
// ONNX files, written without a library: a gMLP needs few of the format's messages.
//
//   ModelProto      1 ir_version, 2 producer_name, 3 producer_version, 7 graph, 8 opset_import,
//                   14 metadata_props
//   GraphProto      1 node, 2 name, 5 initializer, 11 input, 12 output
//   NodeProto       1 input, 2 output, 3 name, 4 op_type, 5 attribute
//   AttributeProto  1 name, 2 f, 3 i, 8 ints, 20 type
//   TensorProto     1 dims, 2 data_type, 8 name, 9 raw_data (little-endian)
//   ValueInfoProto  1 name, 2 type { 1 tensor_type { 1 elem_type, 2 shape { 1 dim } } }
//
// A protobuf message is its fields one after another: a tag, number * 8 + wire type, and then a
// varint (type 0), four bytes (type 5) or a length and as many bytes (type 2: texts and messages).
// libonnx and libprotobuf would do the same for some ten more packages on a bare machine.
// Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

struct OnnxAttribute {
  const char* name;
  std::variant<int64_t, float, std::vector<int64_t>> value;
};

/// A graph in the making. Values are known by their names; a node's inputs must exist before it.
class OnnxGraph {
 public:
  explicit OnnxGraph(const std::string& name);

  /// float32 values that come in and go out. A dimension of -1 is "batch", any number.
  void input(const std::string& name, const std::vector<int64_t>& shape);
  void output(const std::string& name, const std::vector<int64_t>& shape);

  /// Constants; they return `name`. Tensors of any dtype are kept in float32.
  std::string constant(const std::string& name, const Tensor& tensor);
  std::string constant(const std::string& name, const std::vector<int64_t>& values);
  std::string constant(const std::string& name, float value);

  /// A node whose one output is `name`, which it returns.
  std::string node(const char* op, const std::string& name, const std::vector<std::string>& inputs,
                   const std::vector<OnnxAttribute>& attributes = {});
  /// A node with several outputs, named after the first.
  void node(const char* op, const std::vector<std::string>& outputs,
            const std::vector<std::string>& inputs, const std::vector<OnnxAttribute>& attributes);

  /// The file's bytes, in operators of version 17.
  std::string model(const std::vector<std::pair<std::string, std::string>>& metadata) const;

 private:
  std::string bytes_;  // fields of the GraphProto
};

}  // namespace gmlp
