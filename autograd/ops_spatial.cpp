// Ops that mix tokens: the spatial projection of the gating unit, and the tiny attention of aMLP.

#include "autograd/dispatch_dtype.h"
#include "autograd/ops.h"

namespace gmlp {

Var spatial_project(Tape& tape, Var x, Parameter& weight, Parameter& bias, bool causal) {
  const Tensor in = tape.value(x);
  const int64_t batch = in.shape()[0];
  const int64_t tokens = in.shape()[1];
  const int64_t width = in.shape()[2];
  const bool toeplitz = weight.value.shape().rank() == 1;
  require(bias.value.elements() == tokens, "spatial_project: bias and tokens do not match");
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  const Tensor dense = tape.scratch(in.dtype(), {tokens, tokens});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::spatial_weight_expand(dense.data<T>(), weight.value.data<T>(), tokens, toeplitz,
                                     causal);
    reference::spatial_project_forward(y.data<T>(), in.data<T>(), dense.data<T>(),
                                       bias.value.data<T>(), batch, tokens, width);
  });
  return tape.record("spatial_project", y, [=, &tape, &weight, &bias](const Tensor& dy) {
    const Tensor dx = tape.scratch(in.dtype(), in.shape());
    const Tensor ddense = tape.scratch(in.dtype(), {tokens, tokens});
    ddense.fill(0);
    dispatch_dtype(in.dtype(), [&]<typename T>() {
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
  const int64_t d_attn = in.shape()[2] / 3;
  const Tensor y = tape.scratch(in.dtype(), {batch, tokens, d_attn});
  const Tensor probs = tape.scratch(in.dtype(), {batch, tokens, tokens});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::attention_forward(y.data<T>(), probs.data<T>(), in.data<T>(), batch, tokens, d_attn,
                                 causal);
  });
  return tape.record("attention", y, [=, &tape](const Tensor& dy) {
    const Tensor dqkv = tape.scratch(in.dtype(), in.shape());
    const Tensor dprobs = tape.scratch(in.dtype(), probs.shape());
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::attention_backward(dqkv.data<T>(), dprobs.data<T>(), dy.data<T>(), probs.data<T>(),
                                    in.data<T>(), batch, tokens, d_attn);
    });
    tape.accumulate_grad(qkv, dqkv);
  });
}

}  // namespace gmlp
