// Ops that mix tokens: the spatial projection of the gating unit, y = W x, and attention,
// y = softmax(S) v, with one head (aMLP) or many (the baselines).

#include <algorithm>

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

/// Counts the FLOPs of `count` products of (N, N) by (N, width).
void count_products(Tape& tape, int64_t count, int64_t tokens, int64_t width) {
  const double n = static_cast<double>(tokens);
  tape.count_flops(2 * static_cast<double>(count) * n * n * static_cast<double>(width));
}

}  // namespace

Var spatial_project(Tape& tape, Var x, Parameter& weight, Parameter& bias, bool causal) {
  const Tensor in = tape.value(x);
  const reference::TokenShape shape{in.shape()[0], in.shape()[1], in.shape()[2]};
  const int64_t n = shape.tokens;
  const bool toeplitz = weight.value.shape().rank() == 1;
  require(bias.value.elements() == n, "spatial_project: bias and tokens do not match");
  count_products(tape, shape.batch, n, shape.width);
  const Tensor y = tape.scratch_like(in);
  const Tensor w = tape.scratch(in.dtype(), {n, n});  // dense
  const auto forward = [&](auto* stored, auto* out, auto* from, auto* dense, auto* b) {
    reference::spatial_weight_expand(dense, stored, n, toeplitz, causal);
    reference::spatial_project_forward(out, from, dense, b, shape);
  };
  tape.run(in.dtype(), forward, weight.value, y, in, w, bias.value);
  return tape.record("spatial_project", y, [=, &tape, &weight, &bias](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    tape.run_with_workspace(w.bytes(), [&](void* workspace) {
      dispatch_dtype(in.dtype(), [&]<typename T>() {
        auto* dw = static_cast<T*>(workspace);
        std::fill_n(dw, n * n, T(0));
        reference::spatial_project_backward(dx.data<T>(), dw, bias.grad.data<T>(), dy.data<T>(),
                                            in.data<T>(), w.data<T>(), shape);
        reference::spatial_weight_expand_backward(weight.grad.data<T>(), dw, n, toeplitz, causal);
      });
    });
    tape.accumulate_grad(x, dx, true);
  });
}

Var head_attention(Tape& tape, Var qkv, Parameter* bias, int64_t heads, bool causal, bool content) {
  const Tensor in = tape.value(qkv);
  const int64_t n = in.shape()[1];
  const fused::AttentionShape shape{.batch = in.shape()[0],
                                    .tokens = n,
                                    .width = in.shape()[2] / (content ? 3 : 1),
                                    .heads = heads,
                                    .content = content,
                                    .causal = causal,
                                    .precision = tape.execution().precision};
  require(shape.width % heads == 0, "attention: the heads do not divide the width");
  require(bias == nullptr || bias->value.elements() == heads * (2 * n - 1),
          "attention: bias and tokens do not match");
  count_products(tape, shape.batch * (content ? 2 : 1), n, shape.width);
  const bool fused = tape.use_fused(in.dtype());
  const Tensor y = tape.scratch(in.dtype(), {shape.batch, n, shape.width});
  // The log-sum-exp of each row of scores, or P itself.
  const Tensor saved = fused ? tape.scratch(in.dtype(), {shape.batch, heads, n})
                             : tape.scratch(in.dtype(), {shape.batch, heads, n, n});
  tape.run_kernel(
      in.dtype(), shape, &fused::Kernels::attention_workspace, &fused::Kernels::attention_forward,
      [&](auto*... p) { reference::head_attention_forward(p..., shape); }, y, saved, in,
      value_of(bias));
  return tape.record("head_attention", y, [=, &tape](const Tensor& dy) {
    const Tensor dqkv = tape.scratch_like(in);
    {
      const ArenaScope scope(tape.arena());
      const Tensor ds = fused ? Tensor() : tape.scratch_like(saved);
      tape.run_kernel(
          in.dtype(), shape, &fused::Kernels::attention_workspace,
          &fused::Kernels::attention_backward,
          [&]<typename T>(T* dx, T* dbias, T* dout, T* /*y*/, T* probs, T* x, T* /*bias*/) {
            reference::head_attention_backward(dx, dbias, ds.data<T>(), dout, probs, x, shape);
          },
          dqkv, grad_of(bias), dy, y, saved, in, value_of(bias));
    }
    tape.accumulate_grad(qkv, dqkv, true);
  });
}

}  // namespace gmlp
