// Ops with weights, and the pointwise nonlinearity between them.

#include <type_traits>

#include "autograd/ops.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

namespace gmlp {

Var patchify(Tape& tape, Var images, int64_t patch) {
  const Tensor x = tape.value(images);
  const Shape& shape = x.shape();  // (B, C, H, W)
  const int64_t tokens = (shape[2] / patch) * (shape[3] / patch);
  const Tensor y = tape.scratch(x.dtype(), {shape[0], tokens, shape[1] * patch * patch});
  const auto kernel = [&](auto*... p) {
    reference::patchify_forward(p..., shape[0], shape[1], shape[2], shape[3], patch);
  };
  tape.run(x.dtype(), kernel, y, x);
  profile_mark("patchify", "forward");
  return tape.constant(y);  // images get no gradient, so neither do patches
}

Var embedding(Tape& tape, const std::vector<int64_t>& ids, int64_t batch, Parameter& table) {
  const int64_t rows = static_cast<int64_t>(ids.size());
  const int64_t width = table.value.shape().cols();
  require_ids("token ids", ids, 0, table.value.shape().rows());
  require(batch > 0 && rows % batch == 0, "embedding: the ids are not of as many samples");
  const Tensor y = tape.scratch(table.value.dtype(), {batch, rows / batch, width});
  const auto forward = [&](auto* to, auto* from) {
    reference::embedding_forward(to, ids.data(), from, rows, width);
  };
  tape.run(y.dtype(), forward, y, table.value);
  return tape.record("embedding", y, [=, &tape, &table](const Tensor& dy) {
    const auto backward = [&](auto*... p) {
      reference::embedding_backward(p..., ids.data(), rows, width);
    };
    tape.run(dy.dtype(), backward, table.grad, dy);
  });
}

Var linear(Tape& tape, Var x, Parameter& weight, Parameter* bias, fused::Precision precision) {
  const Tensor in = tape.value(x);
  // The stem's weight is (D, C, P, P): a linear layer over C P P numbers.
  const fused::LinearShape shape{in.shape().rows(), in.shape().cols(), weight.value.shape()[0],
                                 precision};
  require(weight.value.elements() == shape.out * shape.in, "linear: weight and input do not match");
  std::vector<int64_t> dims = in.shape().to_vector();
  dims.back() = shape.out;
  const Tensor y = tape.scratch(in.dtype(), Shape(dims));
  tape.count_flops(2 * static_cast<double>(shape.rows * shape.in) * static_cast<double>(shape.out));
  tape.run_kernel(
      in.dtype(), shape, &fused::Kernels::linear_workspace, &fused::Kernels::linear_forward,
      [&](auto*... p) { reference::linear_forward(p..., shape.rows, shape.in, shape.out); }, y, in,
      weight.value, value_of(bias));
  return tape.record("linear", y, [=, &tape, &weight](const Tensor& dy) {
    const Tensor dx = tape.requires_grad(x) ? tape.scratch_like(in) : Tensor();
    tape.run_kernel(
        in.dtype(), shape, &fused::Kernels::linear_workspace, &fused::Kernels::linear_backward,
        [&](auto*... p) { reference::linear_backward(p..., shape.rows, shape.in, shape.out); }, dx,
        weight.grad, grad_of(bias), dy, in, weight.value);
    if (dx.defined()) tape.accumulate_grad(x, dx);
  });
}

Var layernorm(Tape& tape, Var x, Parameter& gamma, Parameter& beta, double eps) {
  const Tensor in = tape.value(x);
  const fused::LayerNormShape shape{in.shape().rows(), in.shape().cols(), static_cast<float>(eps)};
  require(gamma.value.elements() == in.shape().cols() && beta.value.shape() == gamma.value.shape(),
          "layernorm: weight and input do not match");
  const Tensor mean = tape.scratch(in.dtype(), {shape.rows});
  const Tensor rstd = tape.scratch(in.dtype(), {shape.rows});
  const Tensor y = tape.scratch_like(in);
  tape.run_kernel(
      in.dtype(), shape, &fused::Kernels::layernorm_workspace, &fused::Kernels::layernorm_forward,
      [&](auto*... p) { reference::layernorm_forward(p..., shape.rows, shape.width, eps); }, y,
      mean, rstd, in, gamma.value, beta.value);
  return tape.record("layernorm", y, [=, &tape, &gamma, &beta](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    tape.run_kernel(
        in.dtype(), shape, &fused::Kernels::layernorm_workspace,
        &fused::Kernels::layernorm_backward,
        [&](auto*... p) { reference::layernorm_backward(p..., shape.rows, shape.width); }, dx,
        gamma.grad, beta.grad, dy, in, mean, rstd, gamma.value);
    tape.accumulate_grad(x, dx, true);
  });
}

Var gelu(Tape& tape, Var x) {
  constexpr int64_t kRange = 1 << 14;  // elements per task of the fused kernels
  const Tensor in = tape.value(x);
  const int64_t n = in.elements();
  const bool fused = tape.use_fused(in.dtype());  // f32 alone
  const fused::Precision precision = tape.execution().precision;
  const auto ranges = [=](auto kernel, auto*... elements) {
    if constexpr ((std::is_same_v<decltype(elements), float*> && ...)) {
      parallel_ranges(n, kRange, [&](int64_t begin, int64_t end) {
        kernel((elements + begin)..., end - begin, precision);
      });
    }
  };
  return tape.record_unary(
      "gelu", x, in.shape(),
      [=](auto* y, auto* z) {
        fused ? ranges(fused::kernels().gelu_forward, y, z) : reference::gelu_forward(y, z, n);
      },
      [=](auto* dx, auto* dy, auto* z) {
        fused ? ranges(fused::kernels().gelu_backward, dx, dy, z)
              : reference::gelu_backward(dx, dy, z, n);
      });
}

}  // namespace gmlp
