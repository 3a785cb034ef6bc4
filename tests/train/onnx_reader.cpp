// The wire format of protobuf, and the messages of an ONNX file.

#include <cstring>
#include <stdexcept>
#include <string_view>

#include "tests/train/onnx_interpreter.h"

namespace gmlp::test {

namespace {

struct Field {
  uint64_t number = 0;
  uint64_t integer = 0;    // of wire type 0
  float real = 0;          // of wire type 5
  std::string_view bytes;  // of wire type 2
};

uint64_t take_varint(std::string_view& rest) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest.empty()) throw std::runtime_error("a varint is cut off");
    const uint64_t byte = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw std::runtime_error("a varint does not end");
}

std::string_view take(std::string_view& rest, uint64_t size) {
  if (size > rest.size()) throw std::runtime_error("a field is cut off");
  const std::string_view bytes = rest.substr(0, size);
  rest.remove_prefix(size);
  return bytes;
}

std::vector<Field> fields_of(std::string_view message) {
  std::vector<Field> fields;
  while (!message.empty()) {
    const uint64_t tag = take_varint(message);
    Field field;
    field.number = tag / 8;
    switch (tag % 8) {
      case 0:
        field.integer = take_varint(message);
        break;
      case 2:
        field.bytes = take(message, take_varint(message));
        break;
      case 5:
        std::memcpy(&field.real, take(message, 4).data(), 4);
        break;
      default:
        throw std::runtime_error("an unexpected wire type");
    }
    fields.push_back(field);
  }
  return fields;
}

template <typename T>
std::vector<double> numbers_of(std::string_view raw) {
  std::vector<double> numbers;
  for (size_t i = 0; i + sizeof(T) <= raw.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, raw.data() + i, sizeof value);
    numbers.push_back(static_cast<double>(value));
  }
  return numbers;
}

void read_tensor(std::string_view bytes, OnnxFile& file) {
  OnnxValue value;
  uint64_t type = 0;
  std::string name;
  std::string_view raw;
  for (const Field& field : fields_of(bytes)) {
    if (field.number == 1) value.shape.push_back(static_cast<int64_t>(field.integer));
    if (field.number == 2) type = field.integer;
    if (field.number == 8) name = field.bytes;
    if (field.number == 9) raw = field.bytes;
  }
  if (type != 1 && type != 7) throw std::runtime_error(name + ": neither float nor int64");
  value.data = type == 1 ? numbers_of<float>(raw) : numbers_of<int64_t>(raw);
  size_t elements = 1;
  for (int64_t dim : value.shape) elements *= static_cast<size_t>(dim);
  if (elements != value.data.size()) throw std::runtime_error(name + ": not as large as it says");
  if (!file.constants.emplace(name, value).second) throw std::runtime_error(name + ": twice");
}

void read_attribute(std::string_view bytes, OnnxNode& node) {
  std::string name;
  uint64_t type = 0;
  double number = 0;
  std::vector<int64_t> list;
  for (const Field& field : fields_of(bytes)) {
    if (field.number == 1) name = field.bytes;
    if (field.number == 2) number = static_cast<double>(field.real);
    if (field.number == 3) number = static_cast<double>(static_cast<int64_t>(field.integer));
    if (field.number == 8) list.push_back(static_cast<int64_t>(field.integer));
    if (field.number == 20) type = field.integer;
  }
  if (type == 1 || type == 2) {
    node.numbers[name] = number;
  } else if (type == 7) {
    node.lists[name] = list;
  } else {
    throw std::runtime_error(name + ": an attribute of another type");
  }
}

void read_node(std::string_view bytes, OnnxFile& file) {
  OnnxNode node;
  for (const Field& field : fields_of(bytes)) {
    if (field.number == 1) node.inputs.emplace_back(field.bytes);
    if (field.number == 2) node.outputs.emplace_back(field.bytes);
    if (field.number == 4) node.op = field.bytes;
    if (field.number == 5) read_attribute(field.bytes, node);
  }
  file.nodes.push_back(node);
}

/// { 1 name, 2 { 1 { 1 elem_type, 2 { 1 { 1 dim_value or 2 dim_param } } } } }
void read_value_info(std::string_view bytes, OnnxFile& file,
                     std::map<std::string, std::vector<int64_t>>& out) {
  std::string name;
  std::vector<int64_t> dims;
  for (const Field& info : fields_of(bytes)) {
    if (info.number == 1) name = info.bytes;
    if (info.number != 2) continue;
    for (const Field& tensor : fields_of(fields_of(info.bytes).at(0).bytes)) {
      if (tensor.number == 1) file.types[name] = static_cast<int64_t>(tensor.integer);
      if (tensor.number != 2) continue;
      for (const Field& dim : fields_of(tensor.bytes)) {
        const Field size = fields_of(dim.bytes).at(0);
        dims.push_back(size.number == 1 ? static_cast<int64_t>(size.integer) : -1);
      }
    }
  }
  out[name] = dims;
}

void read_graph(std::string_view bytes, OnnxFile& file) {
  for (const Field& field : fields_of(bytes)) {
    if (field.number == 1) read_node(field.bytes, file);
    if (field.number == 5) read_tensor(field.bytes, file);
    if (field.number == 11) read_value_info(field.bytes, file, file.inputs);
    if (field.number == 12) read_value_info(field.bytes, file, file.outputs);
  }
}

}  // namespace

OnnxFile read_onnx(const std::string& bytes) {
  OnnxFile file;
  for (const Field& field : fields_of(bytes)) {
    if (field.number == 1) file.ir_version = static_cast<int64_t>(field.integer);
    if (field.number == 2) file.producer = field.bytes;
    if (field.number == 7) read_graph(field.bytes, file);
    if (field.number == 8) {
      for (const Field& set : fields_of(field.bytes)) {
        if (set.number == 2) file.operators = static_cast<int64_t>(set.integer);
      }
    }
    if (field.number == 14) {
      const std::vector<Field> entry = fields_of(field.bytes);
      file.metadata[std::string(entry.at(0).bytes)] = entry.at(1).bytes;
    }
  }
  return file;
}

}  // namespace gmlp::test
