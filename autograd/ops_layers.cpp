// Ops with weights, and the pointwise nonlinearity between them.

#include "autograd/dispatch_dtype.h"
#include "autograd/ops.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

Shape with_cols(const Shape& shape, int64_t cols) {
  std::vector<int64_t> dims = shape.to_vector();
  dims.back() = cols;
  return Shape(dims);
}

Var fused_linear(Tape& tape, Var x, Parameter& weight, Parameter* bias, const Tensor& y) {
  const Tensor in = tape.value(x);
  const fused::LinearShape shape{in.shape().rows(), in.shape().cols(), y.shape().cols()};
  const fused::Kernels& kernels = fused::kernels();
  const Arena::Mark mark = tape.arena().mark();
  void* workspace = tape.arena().allocate_bytes(kernels.linear_workspace(shape));
  kernels.linear_forward(y.data<float>(), in.data<float>(), weight.value.data<float>(),
                         value_of<float>(bias), workspace, shape);
  tape.arena().rewind(mark);
  return tape.record("linear", y, [&tape, x, in, &weight, bias, shape](const Tensor& dy) {
    Tensor dx;
    if (tape.wants_gradient(x)) dx = tape.scratch(in.dtype(), in.shape());
    const fused::Kernels& table = fused::kernels();
    const Arena::Mark before = tape.arena().mark();
    void* room = tape.arena().allocate_bytes(table.linear_workspace(shape));
    table.linear_backward(dx.defined() ? dx.data<float>() : nullptr, weight.grad.data<float>(),
                          grad_of<float>(bias), dy.data<float>(), in.data<float>(),
                          weight.value.data<float>(), room, shape);
    tape.arena().rewind(before);
    if (dx.defined()) tape.accumulate_grad(x, dx);
  });
}

constexpr int64_t kGeluRange = 1 << 14;  // numbers of one thread's piece

void fused_gelu_forward(float* y, const float* x, int64_t n) {
  parallel_ranges(n, kGeluRange, [&](int64_t begin, int64_t end) {
    fused::kernels().gelu_forward(y + begin, x + begin, end - begin);
  });
}

void fused_gelu_backward(float* dx, const float* dy, const float* x, int64_t n) {
  parallel_ranges(n, kGeluRange, [&](int64_t begin, int64_t end) {
    fused::kernels().gelu_backward(dx + begin, dy + begin, x + begin, end - begin);
  });
}

}  // namespace

Var patchify(Tape& tape, Var images, int64_t patch) {
  const Tensor x = tape.value(images);
  const Shape& s = x.shape();  // (B, C, H, W)
  const int64_t tokens = (s[2] / patch) * (s[3] / patch);
  const Tensor y = tape.scratch(x.dtype(), {s[0], tokens, s[1] * patch * patch});
  dispatch_dtype(x.dtype(), [&]<typename T>() {
    reference::patchify_forward(y.data<T>(), x.data<T>(), s[0], s[1], s[2], s[3], patch);
  });
  profile_mark("forward", "patchify");
  return tape.constant(y);  // images get no gradient, so neither do patches
}

Var embedding(Tape& tape, const std::vector<int64_t>& ids, int64_t batch, Parameter& table) {
  const int64_t rows = static_cast<int64_t>(ids.size());
  const int64_t width = table.value.shape().cols();
  const Tensor y = tape.scratch(table.value.dtype(), {batch, rows / batch, width});
  dispatch_dtype(y.dtype(), [&]<typename T>() {
    reference::embedding_forward(y.data<T>(), ids.data(), table.value.data<T>(), rows, width);
  });
  return tape.record("embedding", y, [ids, rows, width, &table](const Tensor& dy) {
    dispatch_dtype(dy.dtype(), [&]<typename T>() {
      reference::embedding_backward(table.grad.data<T>(), dy.data<T>(), ids.data(), rows, width);
    });
  });
}

Var linear(Tape& tape, Var x, Parameter& weight, Parameter* bias) {
  const Tensor in = tape.value(x);
  const int64_t rows = in.shape().rows();
  const int64_t n_in = in.shape().cols();
  // The stem's weight is (D, C, P, P): a linear layer over C P P numbers.
  const int64_t n_out = weight.value.shape()[0];
  require(weight.value.elements() == n_out * n_in, "linear: weight and input do not match");
  const Tensor y = tape.scratch(in.dtype(), with_cols(in.shape(), n_out));
  if (use_fused(tape, in)) return fused_linear(tape, x, weight, bias, y);
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::linear_forward(y.data<T>(), in.data<T>(), weight.value.data<T>(), value_of<T>(bias),
                              rows, n_in, n_out);
  });
  return tape.record("linear", y, [=, &tape, &weight](const Tensor& dy) {
    Tensor dx;
    if (tape.wants_gradient(x)) dx = tape.scratch(in.dtype(), in.shape());
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::linear_backward(dx.defined() ? dx.data<T>() : nullptr, weight.grad.data<T>(),
                                 grad_of<T>(bias), dy.data<T>(), in.data<T>(),
                                 weight.value.data<T>(), rows, n_in, n_out);
    });
    if (dx.defined()) tape.accumulate_grad(x, dx);
  });
}

Var layernorm(Tape& tape, Var x, Parameter& gamma, Parameter& beta, double eps) {
  const Tensor in = tape.value(x);
  const int64_t rows = in.shape().rows();
  const int64_t cols = in.shape().cols();
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  const Tensor mean = tape.scratch(in.dtype(), {rows});
  const Tensor rstd = tape.scratch(in.dtype(), {rows});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::layernorm_forward(y.data<T>(), mean.data<T>(), rstd.data<T>(), in.data<T>(),
                                 gamma.value.data<T>(), beta.value.data<T>(), rows, cols, eps);
  });
  return tape.record("layernorm", y, [=, &tape, &gamma, &beta](const Tensor& dy) {
    const Tensor dx = tape.scratch(in.dtype(), in.shape());
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::layernorm_backward(dx.data<T>(), gamma.grad.data<T>(), beta.grad.data<T>(),
                                    dy.data<T>(), in.data<T>(), mean.data<T>(), rstd.data<T>(),
                                    gamma.value.data<T>(), rows, cols);
    });
    tape.accumulate_grad(x, dx, true);
  });
}

Var gelu(Tape& tape, Var x) {
  const Tensor in = tape.value(x);
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  const bool fused = use_fused(tape, in);
  if (fused) {
    fused_gelu_forward(y.data<float>(), in.data<float>(), in.elements());
  } else {
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::gelu_forward(y.data<T>(), in.data<T>(), in.elements());
    });
  }
  return tape.record("gelu", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch(in.dtype(), in.shape());
    if (fused) {
      fused_gelu_backward(dx.data<float>(), dy.data<float>(), in.data<float>(), in.elements());
    } else {
      dispatch_dtype(in.dtype(), [&]<typename T>() {
        reference::gelu_backward(dx.data<T>(), dy.data<T>(), in.data<T>(), in.elements());
      });
    }
    tape.accumulate_grad(x, dx, true);
  });
}

}  // namespace gmlp
