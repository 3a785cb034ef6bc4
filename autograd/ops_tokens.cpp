// Ops between sequences and tokens: pooling, selection, positions, and the transposed sequence.

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

Var mean_pool(Tape& tape, Var x) {
  const Tensor in = tape.value(x);
  const Shape shape = in.shape();
  const Tensor y = tape.scratch(in.dtype(), {shape[0], shape[2]});
  tape.run(in.dtype(), [&]<typename T>() {
    reference::mean_pool_forward(y.data<T>(), in.data<T>(), shape[0], shape[1], shape[2]);
  });
  return tape.record("mean_pool", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    tape.run(in.dtype(), [&]<typename T>() {
      reference::mean_pool_backward(dx.data<T>(), dy.data<T>(), shape[0], shape[1], shape[2]);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var prepend_token(Tape& tape, Var x, Parameter& token) {
  const Tensor in = tape.value(x);
  const Shape shape = in.shape();
  const Tensor y = tape.scratch(in.dtype(), {shape[0], shape[1] + 1, shape[2]});
  tape.run(in.dtype(), [&]<typename T>() {
    reference::prepend_token_forward(y.data<T>(), in.data<T>(), token.value.data<T>(), shape[0],
                                     shape[1], shape[2]);
  });
  return tape.record("prepend_token", y, [=, &tape, &token](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    tape.run(in.dtype(), [&]<typename T>() {
      reference::prepend_token_backward(dx.data<T>(), token.grad.data<T>(), dy.data<T>(), shape[0],
                                        shape[1], shape[2]);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var select_token(Tape& tape, Var x, int64_t position) {
  const Tensor in = tape.value(x);
  const Shape shape = in.shape();
  const Tensor y = tape.scratch(in.dtype(), {shape[0], shape[2]});
  tape.run(in.dtype(), [&]<typename T>() {
    reference::select_token_forward(y.data<T>(), in.data<T>(), position, shape[0], shape[1],
                                    shape[2]);
  });
  return tape.record("select_token", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    tape.run(in.dtype(), [&]<typename T>() {
      reference::select_token_backward(dx.data<T>(), dy.data<T>(), position, shape[0], shape[1],
                                       shape[2]);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var add_positions(Tape& tape, Var x, Parameter& table) {
  const Tensor in = tape.value(x);
  const int64_t batch = in.shape()[0];
  const int64_t size = in.elements() / batch;
  require(table.value.elements() == size, "add_positions: positions and tokens do not match");
  const Tensor y = tape.scratch_like(in);
  tape.run(in.dtype(), [&]<typename T>() {
    reference::add_positions_forward(y.data<T>(), in.data<T>(), table.value.data<T>(), batch, size);
  });
  return tape.record("add_positions", y, [=, &tape, &table](const Tensor& dy) {
    tape.run(dy.dtype(), [&]<typename T>() {
      reference::add_positions_backward(table.grad.data<T>(), dy.data<T>(), batch, size);
    });
    tape.accumulate_grad(x, dy);
  });
}

Var transpose_tokens(Tape& tape, Var x) {
  // The same in both directions, as a transpose is the transpose's backward.
  const auto transposed = [&tape](const Tensor& source) {
    const Shape& shape = source.shape();
    const Tensor result = tape.scratch(source.dtype(), {shape[0], shape[2], shape[1]});
    tape.run(source.dtype(), [&]<typename T>() {
      reference::transpose_tokens_forward(result.data<T>(), source.data<T>(), shape[0], shape[1],
                                          shape[2]);
    });
    return result;
  };
  return tape.record("transpose_tokens", transposed(tape.value(x)), [=, &tape](const Tensor& dy) {
    tape.accumulate_grad(x, transposed(dy), true);
  });
}

}  // namespace gmlp
