// Ops that move between sequences and tokens: no weights but for a token and positions, no mixing.

#include "autograd/dispatch_dtype.h"
#include "autograd/ops.h"

namespace gmlp {

Var mean_pool(Tape& tape, Var x) {
  const Tensor in = tape.value(x);
  const Shape& s = in.shape();
  const Tensor y = tape.scratch(in.dtype(), {s[0], s[2]});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::mean_pool_forward(y.data<T>(), in.data<T>(), s[0], s[1], s[2]);
  });
  return tape.record("mean_pool", y, [=, &tape](const Tensor& dy) {
    const Shape& shape = in.shape();
    const Tensor dx = tape.scratch(in.dtype(), shape);
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::mean_pool_backward(dx.data<T>(), dy.data<T>(), shape[0], shape[1], shape[2]);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var prepend_token(Tape& tape, Var x, Parameter& token) {
  const Tensor in = tape.value(x);
  const Shape& s = in.shape();
  const Tensor y = tape.scratch(in.dtype(), {s[0], s[1] + 1, s[2]});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::prepend_token_forward(y.data<T>(), in.data<T>(), token.value.data<T>(), s[0], s[1],
                                     s[2]);
  });
  return tape.record("prepend_token", y, [=, &tape, &token](const Tensor& dy) {
    const Shape& shape = in.shape();
    const Tensor dx = tape.scratch(in.dtype(), shape);
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::prepend_token_backward(dx.data<T>(), token.grad.data<T>(), dy.data<T>(), shape[0],
                                        shape[1], shape[2]);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var select_token(Tape& tape, Var x, int64_t position) {
  const Tensor in = tape.value(x);
  const Shape& s = in.shape();
  const Tensor y = tape.scratch(in.dtype(), {s[0], s[2]});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::select_token_forward(y.data<T>(), in.data<T>(), position, s[0], s[1], s[2]);
  });
  return tape.record("select_token", y, [=, &tape](const Tensor& dy) {
    const Shape& shape = in.shape();
    const Tensor dx = tape.scratch(in.dtype(), shape);
    dispatch_dtype(in.dtype(), [&]<typename T>() {
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
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::add_positions_forward(y.data<T>(), in.data<T>(), table.value.data<T>(), batch, size);
  });
  return tape.record("add_positions", y, [=, &tape, &table](const Tensor& dy) {
    dispatch_dtype(dy.dtype(), [&]<typename T>() {
      reference::add_positions_backward(table.grad.data<T>(), dy.data<T>(), batch, size);
    });
    tape.accumulate_grad(x, dy);
  });
}

Var transpose_tokens(Tape& tape, Var x) {
  const Tensor in = tape.value(x);
  const Shape& s = in.shape();
  const Tensor y = tape.scratch(in.dtype(), {s[0], s[2], s[1]});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::transpose_tokens_forward(y.data<T>(), in.data<T>(), s[0], s[1], s[2]);
  });
  return tape.record("transpose_tokens", y, [=, &tape](const Tensor& dy) {
    const Shape& shape = dy.shape();
    const Tensor dx = tape.scratch(dy.dtype(), in.shape());
    dispatch_dtype(dy.dtype(), [&]<typename T>() {
      reference::transpose_tokens_forward(dx.data<T>(), dy.data<T>(), shape[0], shape[1], shape[2]);
    });
    tape.accumulate_grad(x, dx, true);
  });
}

}  // namespace gmlp
