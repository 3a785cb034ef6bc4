// Ops on each element by itself: halves, sums, products, scales, and dropout.

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

Var split_half(Tape& tape, Var x, bool second) {
  const Tensor in = tape.value(x);
  const Shape& shape = in.shape();  // (B, N, F)
  const int64_t width = shape[2] / 2;
  const Tensor y = tape.scratch(in.dtype(), {shape[0], shape[1], width});
  tape.run(in.dtype(), [&]<typename T>() {
    reference::split_half_forward(y.data<T>(), in.data<T>(), second, y.shape().rows(), width);
  });
  return tape.record("split_half", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    tape.run(in.dtype(), [&]<typename T>() {
      reference::split_half_backward(dx.data<T>(), dy.data<T>(), second, dy.shape().rows(), width);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var add(Tape& tape, Var a, Var b) {
  const Tensor a_value = tape.value(a);
  const Tensor b_value = tape.value(b);
  require(a_value.shape() == b_value.shape(), "add: shapes differ");
  const Tensor y = tape.scratch_like(a_value);
  tape.run(y.dtype(), [&]<typename T>() {
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
  const Tensor y = tape.scratch_like(a_value);
  tape.run(y.dtype(), [&]<typename T>() {
    reference::multiply_forward(y.data<T>(), a_value.data<T>(), b_value.data<T>(), y.elements());
  });
  return tape.record("multiply", y, [=, &tape](const Tensor& dy) {
    const Tensor da = tape.scratch_like(dy);
    const Tensor db = tape.scratch_like(dy);
    tape.run(dy.dtype(), [&]<typename T>() {
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
  require(static_cast<int64_t>(scales.size()) == batch, "drop_path: one scale per sample");
  // The same product in both directions.
  const auto scaled = [=, &tape](const Tensor& source) {
    const Tensor result = tape.scratch_like(source);
    tape.run(source.dtype(), [&]<typename T>() {
      reference::scale_samples_forward(result.data<T>(), source.data<T>(), scales.data(), batch,
                                       source.elements() / batch);
    });
    return result;
  };
  return tape.record("drop_path", scaled(in),
                     [=, &tape](const Tensor& dy) { tape.accumulate_grad(x, scaled(dy)); });
}

Var dropout(Tape& tape, Var z, const DropoutKey& key, Var shortcut) {
  const bool branch = shortcut.defined();
  const Tensor in = tape.value(z);
  const Tensor x = branch ? tape.value(shortcut) : Tensor();
  require(!branch || x.shape() == in.shape(), "dropout: shapes differ");
  const Tensor y = tape.scratch_like(in);
  tape.run(in.dtype(), [&]<typename T>() {
    reference::dropout_forward<T>(y.data<T>(), data_or_null<T>(x), in.data<T>(), in.elements(),
                                  key);
  });
  return tape.record("dropout", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = branch ? tape.scratch_like(dy) : Tensor();
    const Tensor dz = tape.scratch_like(dy);
    tape.run(dy.dtype(), [&]<typename T>() {
      reference::dropout_backward<T>(data_or_null<T>(dx), dz.data<T>(), dy.data<T>(), dy.elements(),
                                     key);
    });
    if (branch) tape.accumulate_grad(shortcut, dx, true);
    tape.accumulate_grad(z, dz, true);
  });
}

}  // namespace gmlp
