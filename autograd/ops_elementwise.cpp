// Ops on each number by itself: halves, sums, products, scales, and what is dropped.

#include "autograd/dispatch_dtype.h"
#include "autograd/ops.h"

namespace gmlp {

Var split_half(Tape& tape, Var x, bool second) {
  const Tensor in = tape.value(x);
  const Shape& s = in.shape();  // (B, N, F)
  const int64_t width = s[2] / 2;
  const Tensor y = tape.scratch(in.dtype(), {s[0], s[1], width});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::split_half_forward(y.data<T>(), in.data<T>(), second, s[0] * s[1], width);
  });
  return tape.record("split_half", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch(in.dtype(), in.shape());
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::split_half_backward(dx.data<T>(), dy.data<T>(), second, dy.shape().rows(), width);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var add(Tape& tape, Var a, Var b) {
  const Tensor a_value = tape.value(a);
  const Tensor b_value = tape.value(b);
  require(a_value.shape() == b_value.shape(), "add: shapes differ");
  const Tensor y = tape.scratch(a_value.dtype(), a_value.shape());
  dispatch_dtype(y.dtype(), [&]<typename T>() {
    reference::add_forward(y.data<T>(), a_value.data<T>(), b_value.data<T>(), y.elements());
  });
  return tape.record("add", y, [=, &tape](const Tensor& dy) {
    tape.accumulate_grad(a, dy);
    tape.accumulate_grad(b, dy);
  });
}

Var multiply(Tape& tape, Var a, Var b) {
  const Tensor a_value = tape.value(a);
  const Tensor b_value = tape.value(b);
  require(a_value.shape() == b_value.shape(), "multiply: shapes differ");
  const Tensor y = tape.scratch(a_value.dtype(), a_value.shape());
  dispatch_dtype(y.dtype(), [&]<typename T>() {
    reference::multiply_forward(y.data<T>(), a_value.data<T>(), b_value.data<T>(), y.elements());
  });
  return tape.record("multiply", y, [=, &tape](const Tensor& dy) {
    const Tensor da = tape.scratch(dy.dtype(), dy.shape());
    const Tensor db = tape.scratch(dy.dtype(), dy.shape());
    dispatch_dtype(dy.dtype(), [&]<typename T>() {
      reference::multiply_forward(da.data<T>(), dy.data<T>(), b_value.data<T>(), dy.elements());
      reference::multiply_forward(db.data<T>(), dy.data<T>(), a_value.data<T>(), dy.elements());
    });
    tape.accumulate_grad(a, da);
    tape.accumulate_grad(b, db);
  });
}

Var drop_path(Tape& tape, Var x, const std::vector<double>& scales) {
  const Tensor in = tape.value(x);
  const int64_t batch = in.shape()[0];
  const int64_t size = in.elements() / batch;
  require(static_cast<int64_t>(scales.size()) == batch, "drop_path: one scale a sample");
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::scale_samples_forward(y.data<T>(), in.data<T>(), scales.data(), batch, size);
  });
  return tape.record("drop_path", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch(dy.dtype(), dy.shape());
    dispatch_dtype(dy.dtype(), [&]<typename T>() {
      reference::scale_samples_forward(dx.data<T>(), dy.data<T>(), scales.data(), batch, size);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var dropout(Tape& tape, Var z, const DropoutKey& key) {
  const Tensor in = tape.value(z);
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::dropout_forward<T>(y.data<T>(), nullptr, in.data<T>(), in.elements(), key);
  });
  return tape.record("dropout", y, [=, &tape](const Tensor& dy) {
    const Tensor dz = tape.scratch(dy.dtype(), dy.shape());
    dispatch_dtype(dy.dtype(), [&]<typename T>() {
      reference::dropout_backward<T>(nullptr, dz.data<T>(), dy.data<T>(), dy.elements(), key);
    });
    tape.accumulate_grad(z, dz, true);
  });
}

Var branch_dropout(Tape& tape, Var shortcut, Var z, const DropoutKey& key) {
  const Tensor x = tape.value(shortcut);
  const Tensor in = tape.value(z);
  require(x.shape() == in.shape(), "branch_dropout: shapes differ");
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::dropout_forward(y.data<T>(), x.data<T>(), in.data<T>(), in.elements(), key);
  });
  return tape.record("branch_dropout", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch(dy.dtype(), dy.shape());
    const Tensor dz = tape.scratch(dy.dtype(), dy.shape());
    dispatch_dtype(dy.dtype(), [&]<typename T>() {
      reference::dropout_backward(dx.data<T>(), dz.data<T>(), dy.data<T>(), dy.elements(), key);
    });
    tape.accumulate_grad(shortcut, dx, true);
    tape.accumulate_grad(z, dz, true);
  });
}

}  // namespace gmlp
