#include "tests/train/onnx_interpreter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <stdexcept>

namespace gmlp::test {

namespace {

using Shape = std::vector<int64_t>;
using Inputs = std::vector<const OnnxValue*>;

int64_t product(Shape::const_iterator first, Shape::const_iterator last) {
  return std::accumulate(first, last, int64_t{1}, std::multiplies<>());
}

/// Calls body(index) for every index of `shape`, in row-major order.
void each_index(const Shape& shape, const std::function<void(const Shape&)>& body) {
  Shape index(shape.size(), 0);
  for (int64_t n = product(shape.begin(), shape.end()); n > 0; --n) {
    body(index);
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

/// The element at `index`, whose axes are aligned at the right; an axis of size 1 is repeated.
double at(const OnnxValue& value, const Shape& index) {
  const size_t skipped = index.size() - value.shape.size();
  int64_t place = 0;
  for (size_t axis = 0; axis < value.shape.size(); ++axis) {
    const int64_t size = value.shape[axis];
    place = place * size + (size == 1 ? 0 : index[skipped + axis]);
  }
  return value.data.at(static_cast<size_t>(place));
}

Shape broadcast(Shape a, Shape b) {
  if (a.size() < b.size()) std::swap(a, b);
  b.insert(b.begin(), a.size() - b.size(), 1);
  for (size_t axis = 0; axis < a.size(); ++axis) {
    if (a[axis] != b[axis] && a[axis] != 1 && b[axis] != 1) {
      throw std::runtime_error("shapes do not fit");
    }
    a[axis] = std::max(a[axis], b[axis]);
  }
  return a;
}

/// A value of `shape`, each element made from its index.
OnnxValue made(const Shape& shape, const std::function<double(const Shape&)>& element) {
  OnnxValue result{shape, {}};
  each_index(shape, [&](const Shape& index) { result.data.push_back(element(index)); });
  return result;
}

OnnxValue elementwise(const OnnxNode& node, const Inputs& in) {
  return made(broadcast(in[0]->shape, in[1]->shape), [&](const Shape& index) {
    const double a = at(*in[0], index);
    const double b = at(*in[1], index);
    if (node.op == "Add") return a + b;
    if (node.op == "Sub") return a - b;
    if (node.op == "LessOrEqual") return a <= b ? 1.0 : 0.0;
    return node.op == "Mul" ? a * b : a / b;
  });
}

/// Patches that do not overlap.
OnnxValue convolution(const OnnxNode& node, const Inputs& in) {
  const int64_t side = node.lists.at("kernel_shape").at(0);
  if (node.lists.at("strides") != node.lists.at("kernel_shape")) throw std::runtime_error("Conv");
  const Shape& x = in[0]->shape;
  return made({x[0], in[1]->shape[0], x[2] / side, x[3] / side}, [&](const Shape& out) {
    double sum = in[2]->data.at(static_cast<size_t>(out[1]));
    each_index({x[1], side, side}, [&](const Shape& k) {
      sum += at(*in[0], {out[0], k[0], out[2] * side + k[1], out[3] * side + k[2]}) *
             at(*in[1], {out[1], k[0], k[1], k[2]});
    });
    return sum;
  });
}

OnnxValue reshape(const Inputs& in) {
  OnnxValue result = *in[0];
  result.shape.clear();
  for (size_t axis = 0; axis < in[1]->data.size(); ++axis) {
    const int64_t dim = static_cast<int64_t>(in[1]->data[axis]);
    result.shape.push_back(dim == 0 ? in[0]->shape.at(axis) : dim);
  }
  const int64_t known = -product(result.shape.begin(), result.shape.end());
  if (known < 0) return result;  // else one of them is -1
  std::replace(result.shape.begin(), result.shape.end(), int64_t{-1},
               static_cast<int64_t>(result.data.size()) / known);
  return result;
}

OnnxValue transpose(const OnnxNode& node, const Inputs& in) {
  const Shape& order = node.lists.at("perm");
  Shape shape;
  for (int64_t axis : order) shape.push_back(in[0]->shape.at(static_cast<size_t>(axis)));
  return made(shape, [&](const Shape& index) {
    Shape source(index.size());
    for (size_t i = 0; i < index.size(); ++i) source[static_cast<size_t>(order[i])] = index[i];
    return at(*in[0], source);
  });
}

OnnxValue concat(const OnnxNode& node, const Inputs& in) {
  const size_t axis = static_cast<size_t>(node.numbers.at("axis"));
  const int64_t first = in[0]->shape.at(axis);
  Shape shape = in[0]->shape;
  shape[axis] += in[1]->shape.at(axis);
  return made(shape, [&](Shape index) {
    if (index[axis] < first) return at(*in[0], index);
    index[axis] -= first;
    return at(*in[1], index);
  });
}

OnnxValue layernorm(const OnnxNode& node, const Inputs& in) {
  const int64_t width = in[0]->shape.back();
  OnnxValue result = *in[0];
  for (auto row = result.data.begin(); row != result.data.end(); row += width) {
    const double mean = std::accumulate(row, row + width, 0.0) / static_cast<double>(width);
    double variance = 0;
    for (int64_t c = 0; c < width; ++c) variance += (row[c] - mean) * (row[c] - mean);
    variance /= static_cast<double>(width);
    const double scale = 1 / std::sqrt(variance + node.numbers.at("epsilon"));
    for (int64_t c = 0; c < width; ++c) {
      const size_t place = static_cast<size_t>(c);
      row[c] = (row[c] - mean) * scale * in[1]->data.at(place) + in[2]->data.at(place);
    }
  }
  return result;
}

/// One of the two may have two dimensions and goes with every matrix of the other.
OnnxValue matrix_product(const Inputs& in) {
  Shape a = in[0]->shape;
  Shape b = in[1]->shape;
  const int64_t depth = a.back();
  if (b.at(b.size() - 2) != depth) throw std::runtime_error("MatMul: shapes do not fit");
  a.back() = 1;
  b[b.size() - 2] = 1;
  return made(broadcast(a, b), [&](const Shape& index) {
    Shape left = index;
    Shape right = index;
    double sum = 0;
    for (int64_t k = 0; k < depth; ++k) {
      left.back() = k;
      right[right.size() - 2] = k;
      sum += at(*in[0], left) * at(*in[1], right);
    }
    return sum;
  });
}

OnnxValue dense(const OnnxNode& node, const Inputs& in) {
  if (node.numbers.at("transB") != 1) throw std::runtime_error("Gemm");
  return made({in[0]->shape.at(0), in[1]->shape.at(0)}, [&](const Shape& index) {
    double sum = in[2]->data.at(static_cast<size_t>(index[1]));
    for (int64_t k = 0; k < in[0]->shape.at(1); ++k) {
      sum += at(*in[0], {index[0], k}) * at(*in[1], {index[1], k});
    }
    return sum;
  });
}

OnnxValue mean_of_tokens(const OnnxNode& node, const Inputs& in) {
  if (node.lists.at("axes") != Shape{1} || node.numbers.at("keepdims") != 0) {
    throw std::runtime_error("ReduceMean");
  }
  const Shape& x = in[0]->shape;
  return made({x.at(0), x.at(2)}, [&](const Shape& index) {
    double sum = 0;
    for (int64_t n = 0; n < x[1]; ++n) sum += at(*in[0], {index[0], n, index[1]});
    return sum / static_cast<double>(x[1]);
  });
}

/// Part number `part` of equal ones along an axis.
OnnxValue split_part(const OnnxNode& node, const Inputs& in, int64_t part) {
  const size_t axis = static_cast<size_t>(node.numbers.at("axis"));
  Shape shape = in[0]->shape;
  shape.at(axis) /= static_cast<int64_t>(node.outputs.size());
  return made(shape, [&](Shape index) {
    index[axis] += part * shape[axis];
    return at(*in[0], index);
  });
}

/// The places in in[1] along an axis of in[0]. A place outside of it is an exception.
OnnxValue gather(const OnnxNode& node, const Inputs& in) {
  const int64_t axis = static_cast<int64_t>(node.numbers.at("axis"));
  const Shape& x = in[0]->shape;
  const Shape& places = in[1]->shape;
  const int64_t rank = static_cast<int64_t>(places.size());
  Shape shape(x.begin(), x.begin() + axis);
  shape.insert(shape.end(), places.begin(), places.end());
  shape.insert(shape.end(), x.begin() + axis + 1, x.end());
  return made(shape, [&](const Shape& index) {
    const double place = at(*in[1], {index.begin() + axis, index.begin() + axis + rank});
    if (place < 0 || place >= static_cast<double>(x.at(static_cast<size_t>(axis)))) {
      throw std::runtime_error("Gather");
    }
    Shape source(index.begin(), index.begin() + axis);
    source.push_back(static_cast<int64_t>(place));
    source.insert(source.end(), index.begin() + axis + rank, index.end());
    return at(*in[0], source);
  });
}

OnnxValue where(const Inputs& in) {
  const Shape shape = broadcast(in[0]->shape, broadcast(in[1]->shape, in[2]->shape));
  return made(shape, [&](const Shape& i) { return at(*in[at(*in[0], i) != 0 ? 1 : 2], i); });
}

OnnxValue softmax_of_rows(const OnnxNode& node, const Inputs& in) {
  if (node.numbers.at("axis") != -1) throw std::runtime_error("Softmax");
  OnnxValue result = *in[0];
  const int64_t width = result.shape.back();
  for (auto row = result.data.begin(); row != result.data.end(); row += width) {
    double sum = 0;
    for (int64_t c = 0; c < width; ++c) sum += std::exp(row[c]);
    for (int64_t c = 0; c < width; ++c) row[c] = std::exp(row[c]) / sum;
  }
  return result;
}

OnnxValue one_output(const OnnxNode& node, const Inputs& in) {
  if (node.op == "Constant") {
    const auto list = node.lists.find("value_ints");
    if (list == node.lists.end()) return {{}, {node.numbers.begin()->second}};
    return {{static_cast<int64_t>(list->second.size())},
            {list->second.begin(), list->second.end()}};
  }
  if (node.op == "Identity") return *in.at(0);
  const Shape& x = in.at(0)->shape;
  for (const char* op : {"Add", "Sub", "Mul", "Div", "LessOrEqual"}) {
    if (node.op == op) return elementwise(node, in);
  }
  if (node.op == "Conv") return convolution(node, in);
  if (node.op == "Reshape") return reshape(in);
  if (node.op == "Transpose") return transpose(node, in);
  if (node.op == "Concat") return concat(node, in);
  if (node.op == "LayerNormalization") return layernorm(node, in);
  if (node.op == "MatMul") return matrix_product(in);
  if (node.op == "Gemm") return dense(node, in);
  if (node.op == "ReduceMean") return mean_of_tokens(node, in);
  if (node.op == "Erf") return made(x, [&](const Shape& i) { return std::erf(at(*in[0], i)); });
  if (node.op == "Flatten") return {{x.at(0), product(x.begin() + 1, x.end())}, in[0]->data};
  if (node.op == "Shape") {  // "start" and "end" take the first
    return {{1}, {static_cast<double>(x.at(0))}};
  }
  if (node.op == "Expand") {
    const Shape shape(in[1]->data.begin(), in[1]->data.end());
    return made(broadcast(x, shape), [&](const Shape& index) { return at(*in[0], index); });
  }
  if (node.op == "Gather") return gather(node, in);
  if (node.op == "Where") return where(in);
  if (node.op == "Softmax") return softmax_of_rows(node, in);
  throw std::runtime_error(node.op + ": an unknown operator");
}

}  // namespace

OnnxValue run_onnx(const OnnxFile& file, const std::string& input, const OnnxValue& value,
                   const std::string& output) {
  std::map<std::string, OnnxValue> values = file.constants;
  values[input] = value;
  for (const OnnxNode& node : file.nodes) {
    Inputs in;
    for (const std::string& name : node.inputs) in.push_back(&values.at(name));
    std::vector<OnnxValue> out;
    for (size_t part = 0; part < node.outputs.size(); ++part) {
      out.push_back(node.op == "Split" ? split_part(node, in, static_cast<int64_t>(part))
                                       : one_output(node, in));
    }
    for (size_t part = 0; part < out.size(); ++part) {
      if (!values.emplace(node.outputs[part], out[part]).second) {
        throw std::runtime_error(node.outputs[part] + ": two values of one name");
      }
    }
  }
  return values.at(output);
}

}  // namespace gmlp::test
