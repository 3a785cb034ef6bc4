#include "apps/vision/onnx_writer.h"

#include <bit>
#include <cstring>
#include <string_view>

namespace gmlp {

namespace {

constexpr int64_t kIrVersion = 8;  // the one that came with operators of version 17
constexpr int64_t kOperators = 17;
// TensorProto.DataType and AttributeProto.AttributeType
constexpr int64_t kTypeFloat = 1, kTypeInt64 = 7;
constexpr int64_t kAttributeFloat = 1, kAttributeInt = 2, kAttributeInts = 7;

// ---- wire format: appends a field to `out` ----

/// Seven bits a byte, the lowest first; the eighth bit says that more follow.
void append_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}
void append_tag(std::string& out, uint64_t field, uint64_t wire_type) {
  append_varint(out, field * 8 + wire_type);
}
void append_integer(std::string& out, uint64_t field, int64_t value) {
  append_tag(out, field, 0);
  append_varint(out, static_cast<uint64_t>(value));
}
void append_float(std::string& out, uint64_t field, float value) {
  append_tag(out, field, 5);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}
/// A text, a message or raw bytes.
void append_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  append_tag(out, field, 2);
  append_varint(out, bytes.size());
  out += bytes;
}

// ---- messages ----

/// A TensorProto; -1 among `dims` cannot be, as constants have a size.
std::string tensor_proto(const std::string& name, const std::vector<int64_t>& dims, int64_t type,
                         const void* data, size_t size) {
  static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");
  std::string tensor;
  tensor.reserve(size + name.size() + 64);
  for (int64_t dim : dims) append_integer(tensor, 1, dim);
  append_integer(tensor, 2, type);
  append_bytes(tensor, 8, name);
  append_bytes(tensor, 9, {static_cast<const char*>(data), size});
  return tensor;
}

std::string value_info(const std::string& name, const std::vector<int64_t>& shape) {
  std::string dims;
  for (int64_t dim : shape) {
    std::string dimension;
    if (dim < 0) {
      append_bytes(dimension, 2, "batch");
    } else {
      append_integer(dimension, 1, dim);
    }
    append_bytes(dims, 1, dimension);
  }
  std::string tensor, type, info;
  append_integer(tensor, 1, kTypeFloat);
  append_bytes(tensor, 2, dims);
  append_bytes(type, 1, tensor);
  append_bytes(info, 1, name);
  append_bytes(info, 2, type);
  return info;
}

std::string attribute_proto(const OnnxAttribute& attribute) {
  std::string proto;
  append_bytes(proto, 1, attribute.name);
  if (const float* real = std::get_if<float>(&attribute.value)) {
    append_float(proto, 2, *real);
    append_integer(proto, 20, kAttributeFloat);
  } else if (const int64_t* integer = std::get_if<int64_t>(&attribute.value)) {
    append_integer(proto, 3, *integer);
    append_integer(proto, 20, kAttributeInt);
  } else {
    for (int64_t value : std::get<std::vector<int64_t>>(attribute.value)) {
      append_integer(proto, 8, value);
    }
    append_integer(proto, 20, kAttributeInts);
  }
  return proto;
}

}  // namespace

OnnxGraph::OnnxGraph(const std::string& name) {
  append_bytes(bytes_, 2, name);
}

void OnnxGraph::input(const std::string& name, const std::vector<int64_t>& shape) {
  append_bytes(bytes_, 11, value_info(name, shape));
}
void OnnxGraph::output(const std::string& name, const std::vector<int64_t>& shape) {
  append_bytes(bytes_, 12, value_info(name, shape));
}

std::string OnnxGraph::constant(const std::string& name, const Tensor& tensor) {
  Tensor values = Tensor::zeros(DType::kF32, tensor.shape());
  values.copy_from(tensor);
  append_bytes(bytes_, 5,
               tensor_proto(name, tensor.shape().to_vector(), kTypeFloat, values.raw(),
                            static_cast<size_t>(values.bytes())));
  return name;
}
std::string OnnxGraph::constant(const std::string& name, const std::vector<int64_t>& values) {
  const std::vector<int64_t> dims = {static_cast<int64_t>(values.size())};
  append_bytes(bytes_, 5, tensor_proto(name, dims, kTypeInt64, values.data(), values.size() * 8));
  return name;
}
std::string OnnxGraph::constant(const std::string& name, float value) {
  append_bytes(bytes_, 5, tensor_proto(name, {}, kTypeFloat, &value, sizeof value));
  return name;
}

std::string OnnxGraph::node(const char* op, const std::string& name,
                            const std::vector<std::string>& inputs,
                            const std::vector<OnnxAttribute>& attributes) {
  node(op, std::vector<std::string>{name}, inputs, attributes);
  return name;
}
void OnnxGraph::node(const char* op, const std::vector<std::string>& outputs,
                     const std::vector<std::string>& inputs,
                     const std::vector<OnnxAttribute>& attributes) {
  std::string proto;
  for (const std::string& input : inputs) append_bytes(proto, 1, input);
  for (const std::string& output : outputs) append_bytes(proto, 2, output);
  append_bytes(proto, 3, outputs.front());
  append_bytes(proto, 4, op);
  for (const OnnxAttribute& attribute : attributes) {
    append_bytes(proto, 5, attribute_proto(attribute));
  }
  append_bytes(bytes_, 1, proto);
}

std::string OnnxGraph::model(
    const std::vector<std::pair<std::string, std::string>>& metadata) const {
  std::string operators;
  append_integer(operators, 2, kOperators);  // of the domain "", ONNX's own
  std::string model;
  append_integer(model, 1, kIrVersion);
  append_bytes(model, 2, "gmlp");
  append_bytes(model, 3, GMLP_VERSION);
  append_bytes(model, 7, bytes_);
  append_bytes(model, 8, operators);
  for (const auto& [key, value] : metadata) {
    std::string entry;
    append_bytes(entry, 1, key);
    append_bytes(entry, 2, value);
    append_bytes(model, 14, entry);
  }
  return model;
}

}  // namespace gmlp
