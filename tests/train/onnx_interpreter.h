#pragma once
// Reads an ONNX file and runs its graph in double: slow, short, and sharing no line with the code
// that wrote it. Knows the operators that a gMLP needs; anything unknown is an exception.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gmlp::test {

/// Row-major.
struct OnnxValue {
  std::vector<int64_t> shape;
  std::vector<double> data;
};

struct OnnxNode {
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, double> numbers;  // attributes of one number
  std::map<std::string, std::vector<int64_t>> lists;
};

struct OnnxFile {
  int64_t ir_version = 0;
  int64_t operators = 0;  // their version
  std::string producer;
  std::vector<OnnxNode> nodes;
  std::map<std::string, OnnxValue> constants;
  std::map<std::string, std::vector<int64_t>> inputs, outputs;  // -1: a dimension with a name
  std::map<std::string, int64_t> types;                         // of these: 1 is float, 7 is int64
  std::map<std::string, std::string> metadata;
};

/// Throws std::runtime_error where the bytes are no such file.
OnnxFile read_onnx(const std::string& bytes);

/// The value named `output`. Throws std::out_of_range where a node's input does not exist yet.
OnnxValue run_onnx(const OnnxFile& file, const std::string& input, const OnnxValue& value,
                   const std::string& output);

}  // namespace gmlp::test
