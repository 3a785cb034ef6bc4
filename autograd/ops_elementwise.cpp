// Ops without matrix products: on each element by itself (halves, sums, products, scales, dropout),
// and between sequences and tokens (pooling, selection, positions, the transposed sequence).

#include <algorithm>

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

using reference::TokenShape;

TokenShape token_shape(const Tensor& x) {
  return {x.shape()[0], x.shape()[1], x.shape()[2]};
}

}  // namespace

Var split_half(Tape& tape, Var x, bool second) {
  const Shape shape = tape.value(x).shape();  // (B, N, F)
  const int64_t rows = shape.rows();
  require(shape.rank() == 3 && shape[2] % 2 == 0, "split_half: a width that has no half");
  const int64_t width = shape[2] / 2;
  return tape.record_unary(
      "split_half", x, {shape[0], shape[1], width},
      [=](auto* y, auto* in) { reference::split_half_forward(y, in, second, rows, width); },
      [=](auto* dx, auto* dy, auto*) {
        reference::split_half_backward(dx, dy, second, rows, width);
      });
}

Var add(Tape& tape, Var a, Var b) {
  const Tensor y = tape.scratch_like(tape.value(a));
  require(tape.value(b).shape() == y.shape(), "add: shapes differ");
  const auto sum = [&](auto*... p) { reference::add_forward(p..., y.elements()); };
  tape.run(y.dtype(), sum, y, tape.value(a), tape.value(b));
  return tape.record("add", y, [=, &tape](const Tensor& dy) {
    tape.accumulate_grad(a, dy);
    tape.accumulate_grad(b, dy);
  });
}

Var multiply(Tape& tape, Var a, Var b) {
  const Tensor a_value = tape.value(a);
  const Tensor b_value = tape.value(b);
  require(a_value.shape() == b_value.shape(), "multiply: shapes differ");
  const auto product = [&tape](const Tensor& left, const Tensor& right) {
    Tensor y = tape.scratch_like(left);
    const auto kernel = [&](auto*... p) { reference::multiply_forward(p..., y.elements()); };
    tape.run(y.dtype(), kernel, y, left, right);
    return y;
  };
  return tape.record("multiply", product(a_value, b_value), [=, &tape](const Tensor& dy) {
    tape.accumulate_grad(a, product(dy, b_value));
    tape.accumulate_grad(b, product(dy, a_value));
  });
}

Var drop_path(Tape& tape, Var x, const std::vector<double>& scales) {
  const Tensor in = tape.value(x);
  const int64_t batch = in.shape()[0];
  const int64_t size = in.elements() / batch;
  require(static_cast<int64_t>(scales.size()) == batch, "drop_path: one scale per sample");
  return tape.record_unary(
      "drop_path", x, in.shape(),
      [&](auto* y, auto* z) { reference::scale_samples_forward(y, z, scales.data(), batch, size); },
      [=](auto* dx, auto* dy, auto*) {  // the same product
        reference::scale_samples_forward(dx, dy, scales.data(), batch, size);
      });
}

Var dropout(Tape& tape, Var z, const DropoutKey& key, Var shortcut) {
  const bool branch = shortcut.defined();
  const Tensor in = tape.value(z);
  const Tensor x = branch ? tape.value(shortcut) : Tensor();
  require(!branch || x.shape() == in.shape(), "dropout: shapes differ");
  const Tensor y = tape.scratch_like(in);
  const int64_t n = in.elements();
  const auto forward = [=](auto*... p) { reference::dropout_forward(p..., n, key); };
  tape.run(in.dtype(), forward, y, x, in);
  return tape.record("dropout", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = branch ? tape.scratch_like(dy) : Tensor();
    const Tensor dz = tape.scratch_like(dy);
    const auto backward = [=](auto*... p) { reference::dropout_backward(p..., n, key); };
    tape.run(dy.dtype(), backward, dx, dz, dy);
    if (branch) tape.accumulate_grad(shortcut, dx, true);
    tape.accumulate_grad(z, dz, true);
  });
}

Var mean_pool(Tape& tape, Var x) {
  const TokenShape shape = token_shape(tape.value(x));
  return tape.record_unary(
      "mean_pool", x, {shape.batch, shape.width},
      [=](auto* y, auto* in) { reference::mean_pool_forward(y, in, shape); },
      [=](auto* dx, auto* dy, auto*) { reference::mean_pool_backward(dx, dy, shape); });
}

Var prepend_token(Tape& tape, Var x, Parameter& token) {
  const TokenShape shape = token_shape(tape.value(x));
  return tape.record_unary(
      "prepend_token", x, {shape.batch, shape.tokens + 1, shape.width},
      [&]<typename T>(T* y, T* in) {
        reference::prepend_token_forward(y, in, token.value.data<T>(), shape);
      },
      [=, &token]<typename T>(T* dx, T* dy, T*) {
        reference::prepend_token_backward(dx, token.grad.data<T>(), dy, shape);
      });
}

Var select_rows(Tape& tape, Var x, const std::vector<int64_t>& numbers) {
  const Shape shape = tape.value(x).shape();
  const int64_t rows = std::ssize(numbers);
  require_ids("row numbers", numbers, 0, shape.rows());
  // x serves as the table of an embedding, and the numbers as its ids.
  return tape.record_unary(
      "select_rows", x, {rows, shape.cols()},
      [&](auto* y, auto* in) {
        reference::embedding_forward(y, numbers.data(), in, rows, shape.cols());
      },
      [=]<typename T>(T* dx, T* dy, T*) {
        std::fill_n(dx, shape.elements(), T(0));
        reference::embedding_backward(dx, dy, numbers.data(), rows, shape.cols());
      });
}

Var select_token(Tape& tape, Var x, int64_t position) {
  const Shape& shape = tape.value(x).shape();
  require(0 <= position && position < shape[1], "select_token: no such token");
  std::vector<int64_t> numbers(static_cast<size_t>(shape[0]), position);
  for (size_t b = 0; b < numbers.size(); ++b) numbers[b] += static_cast<int64_t>(b) * shape[1];
  return select_rows(tape, x, numbers);
}

Var add_positions(Tape& tape, Var x, Parameter& table) {
  const Tensor in = tape.value(x);
  const int64_t batch = in.shape()[0], size = table.value.elements();
  require(in.elements() == batch * size, "add_positions: positions and tokens do not match");
  const Tensor y = tape.scratch_like(in);
  const auto forward = [&](auto* sum, auto* terms, auto* positions) {
    for (int64_t b = 0; b < batch; ++b) {
      reference::add_forward(sum + b * size, terms + b * size, positions, size);
    }
  };
  tape.run(y.dtype(), forward, y, in, table.value);
  return tape.record("add_positions", y, [=, &tape, &table](const Tensor& dy) {
    tape.accumulate_grad(x, dy);
    const auto backward = [&](auto* sum, auto* terms) {
      for (int64_t b = 0; b < batch; ++b) {
        reference::add_forward(sum, sum, terms + b * size, size);
      }
    };
    tape.run(dy.dtype(), backward, table.grad, dy);
  });
}

Var transpose_tokens(Tape& tape, Var x) {
  const TokenShape shape = token_shape(tape.value(x));
  const TokenShape back{shape.batch, shape.width, shape.tokens};
  return tape.record_unary(
      "transpose_tokens", x, {shape.batch, shape.width, shape.tokens},
      [=](auto* y, auto* in) { reference::transpose_tokens_forward(y, in, shape); },
      [=](auto* dx, auto* dy, auto*) { reference::transpose_tokens_forward(dx, dy, back); });
}

}  // namespace gmlp
