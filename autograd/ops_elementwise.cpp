// Ops without matrix products: on each element by itself (halves, sums, products, scales, dropout),
// and between sequences and tokens (pooling, selection, positions, the transposed sequence).

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

Var split_half(Tape& tape, Var x, bool second) {
  const Shape shape = tape.value(x).shape();  // (B, N, F)
  const int64_t rows = shape.rows();
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
  const Shape shape = tape.value(x).shape();  // (B, N, D)
  return tape.record_unary(
      "mean_pool", x, {shape[0], shape[2]},
      [=](auto* y, auto* in) { reference::mean_pool_forward(y, in, shape[0], shape[1], shape[2]); },
      [=](auto* dx, auto* dy, auto*) {
        reference::mean_pool_backward(dx, dy, shape[0], shape[1], shape[2]);
      });
}

Var prepend_token(Tape& tape, Var x, Parameter& token) {
  const Shape shape = tape.value(x).shape();
  return tape.record_unary(
      "prepend_token", x, {shape[0], shape[1] + 1, shape[2]},
      [&]<typename T>(T* y, T* in) {
        reference::prepend_token_forward(y, in, token.value.data<T>(), shape[0], shape[1],
                                         shape[2]);
      },
      [=, &token]<typename T>(T* dx, T* dy, T*) {
        reference::prepend_token_backward(dx, token.grad.data<T>(), dy, shape[0], shape[1],
                                          shape[2]);
      });
}

Var select_token(Tape& tape, Var x, int64_t position) {
  const Shape shape = tape.value(x).shape();
  return tape.record_unary(
      "select_token", x, {shape[0], shape[2]},
      [=](auto* y, auto* in) {
        reference::select_token_forward(y, in, position, shape[0], shape[1], shape[2]);
      },
      [=](auto* dx, auto* dy, auto*) {
        reference::select_token_backward(dx, dy, position, shape[0], shape[1], shape[2]);
      });
}

Var add_positions(Tape& tape, Var x, Parameter& table) {
  const Tensor in = tape.value(x);
  const int64_t batch = in.shape()[0];
  const int64_t size = in.elements() / batch;
  require(table.value.elements() == size, "add_positions: positions and tokens do not match");
  const Tensor y = tape.scratch_like(in);
  const auto forward = [=](auto*... p) { reference::add_positions_forward(p..., batch, size); };
  tape.run(in.dtype(), forward, y, in, table.value);
  return tape.record("add_positions", y, [=, &tape, &table](const Tensor& dy) {
    const auto backward = [=](auto*... p) { reference::add_positions_backward(p..., batch, size); };
    tape.run(dy.dtype(), backward, table.grad, dy);
    tape.accumulate_grad(x, dy);
  });
}

Var transpose_tokens(Tape& tape, Var x) {
  const Shape shape = tape.value(x).shape();
  return tape.record_unary(
      "transpose_tokens", x, {shape[0], shape[2], shape[1]},
      [=](auto* y, auto* in) {
        reference::transpose_tokens_forward(y, in, shape[0], shape[1], shape[2]);
      },
      [=](auto* dx, auto* dy, auto*) {  // transposes back
        reference::transpose_tokens_forward(dx, dy, shape[0], shape[2], shape[1]);
      });
}

}  // namespace gmlp
