// Ops that mix tokens: the spatial projection of the gating unit, the tiny attention of aMLP, and
// the baselines' attention of many heads, with a bias by distance or with that bias alone.

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

/// FLOPs of `count` products of (N, N) by (N, width).
double product_flops(int64_t count, int64_t tokens, int64_t width) {
  const double n = static_cast<double>(tokens);
  return 2 * static_cast<double>(count) * n * n * static_cast<double>(width);
}

void check_bias(const Parameter& bias, int64_t heads, int64_t tokens, int64_t width) {
  require(width % heads == 0, "attention: the heads do not divide the width");
  require(bias.value.elements() == heads * (2 * tokens - 1),
          "attention: bias and tokens do not match");
}

}  // namespace

Var spatial_project(Tape& tape, Var x, Parameter& weight, Parameter& bias, bool causal) {
  const Tensor in = tape.value(x);
  const int64_t batch = in.shape()[0];
  const int64_t tokens = in.shape()[1];
  const int64_t width = in.shape()[2];
  const bool toeplitz = weight.value.shape().rank() == 1;
  require(bias.value.elements() == tokens, "spatial_project: bias and tokens do not match");
  const Tensor y = tape.scratch_like(in);
  const Tensor dense = tape.scratch(in.dtype(), {tokens, tokens});
  tape.count_flops(product_flops(batch, tokens, width));
  tape.run(in.dtype(), [&]<typename T>() {
    reference::spatial_weight_expand(dense.data<T>(), weight.value.data<T>(), tokens, toeplitz,
                                     causal);
    reference::spatial_project_forward(y.data<T>(), in.data<T>(), dense.data<T>(),
                                       bias.value.data<T>(), batch, tokens, width);
  });
  return tape.record("spatial_project", y, [=, &tape, &weight, &bias](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    const Tensor ddense = tape.scratch_like(dense);
    tape.run(in.dtype(), [&]<typename T>() {
      ddense.fill(0);
      reference::spatial_project_backward(dx.data<T>(), ddense.data<T>(), bias.grad.data<T>(),
                                          dy.data<T>(), in.data<T>(), dense.data<T>(), batch,
                                          tokens, width);
      reference::spatial_weight_expand_backward(weight.grad.data<T>(), ddense.data<T>(), tokens,
                                                toeplitz, causal);
    });
    tape.accumulate_grad(x, dx);
  });
}

Var attention(Tape& tape, Var qkv, bool causal) {
  const Tensor in = tape.value(qkv);
  const int64_t batch = in.shape()[0];
  const int64_t tokens = in.shape()[1];
  const int64_t width = in.shape()[2] / 3;
  const Tensor y = tape.scratch(in.dtype(), {batch, tokens, width});
  const Tensor probs = tape.scratch(in.dtype(), {batch, tokens, tokens});
  tape.count_flops(product_flops(2 * batch, tokens, width));
  tape.run(in.dtype(), [&]<typename T>() {
    reference::attention_forward(y.data<T>(), probs.data<T>(), in.data<T>(), batch, tokens, width,
                                 causal);
  });
  return tape.record("attention", y, [=, &tape](const Tensor& dy) {
    const Tensor dqkv = tape.scratch_like(in);
    const Tensor dprobs = tape.scratch_like(probs);
    tape.run(in.dtype(), [&]<typename T>() {
      reference::attention_backward(dqkv.data<T>(), dprobs.data<T>(), dy.data<T>(), probs.data<T>(),
                                    in.data<T>(), batch, tokens, width);
    });
    tape.accumulate_grad(qkv, dqkv);
  });
}

Var head_attention(Tape& tape, Var qkv, Parameter* bias, int64_t heads, bool causal) {
  const Tensor in = tape.value(qkv);
  const int64_t batch = in.shape()[0];
  const int64_t tokens = in.shape()[1];
  const int64_t width = in.shape()[2] / 3;
  if (bias != nullptr) check_bias(*bias, heads, tokens, width);
  const Tensor y = tape.scratch(in.dtype(), {batch, tokens, width});
  const Tensor probs = tape.scratch(in.dtype(), {batch, heads, tokens, tokens});
  tape.count_flops(product_flops(2 * batch, tokens, width));
  tape.run(in.dtype(), [&]<typename T>() {
    reference::head_attention_forward<T>(y.data<T>(), probs.data<T>(), in.data<T>(),
                                         value_of<T>(bias), batch, tokens, width, heads, causal);
  });
  return tape.record("head_attention", y, [=, &tape](const Tensor& dy) {
    const Tensor dqkv = tape.scratch_like(in);
    {
      const ArenaScope scope(tape.arena());
      const Tensor dscores = tape.scratch_like(probs);
      tape.run(in.dtype(), [&]<typename T>() {
        reference::head_attention_backward<T>(dqkv.data<T>(), grad_of<T>(bias), dscores.data<T>(),
                                              dy.data<T>(), probs.data<T>(), in.data<T>(), batch,
                                              tokens, width, heads);
      });
    }
    tape.accumulate_grad(qkv, dqkv, true);
  });
}

Var position_attention(Tape& tape, Var v, Parameter& bias, bool causal) {
  const Tensor in = tape.value(v);
  const int64_t batch = in.shape()[0];
  const int64_t tokens = in.shape()[1];
  const int64_t width = in.shape()[2];
  const int64_t heads = bias.value.shape()[0];
  check_bias(bias, heads, tokens, width);
  const Tensor y = tape.scratch_like(in);
  const Tensor probs = tape.scratch(in.dtype(), {heads, tokens, tokens});
  tape.count_flops(product_flops(batch, tokens, width));
  tape.run(in.dtype(), [&]<typename T>() {
    reference::position_attention_forward(y.data<T>(), probs.data<T>(), in.data<T>(),
                                          bias.value.data<T>(), batch, tokens, width, heads,
                                          causal);
  });
  return tape.record("position_attention", y, [=, &tape, &bias](const Tensor& dy) {
    const Tensor dv = tape.scratch_like(in);
    {
      const ArenaScope scope(tape.arena());
      const Tensor dscores = tape.scratch_like(probs);
      tape.run(in.dtype(), [&]<typename T>() {
        reference::position_attention_backward(dv.data<T>(), bias.grad.data<T>(), dscores.data<T>(),
                                               dy.data<T>(), probs.data<T>(), in.data<T>(), batch,
                                               tokens, width, heads);
      });
    }
    tape.accumulate_grad(v, dv, true);
  });
}

}  // namespace gmlp
