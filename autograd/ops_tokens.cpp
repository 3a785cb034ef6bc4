// Ops between sequences and tokens: pooling, selection, positions, and the transposed sequence.

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

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
