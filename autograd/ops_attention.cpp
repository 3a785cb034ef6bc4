// The baselines' attention: many heads, with a bias by distance, or with that bias alone.

#include "autograd/dispatch_dtype.h"
#include "autograd/ops.h"

namespace gmlp {

Var head_attention(Tape& tape, Var qkv, Parameter* bias, int64_t heads, bool causal) {
  const Tensor in = tape.value(qkv);
  const int64_t batch = in.shape()[0];
  const int64_t tokens = in.shape()[1];
  const int64_t width = in.shape()[2] / 3;
  require(width % heads == 0, "head_attention: the heads do not divide the width");
  require(bias == nullptr || bias->value.elements() == heads * (2 * tokens - 1),
          "head_attention: bias and tokens do not match");
  const Tensor y = tape.scratch(in.dtype(), {batch, tokens, width});
  const Tensor probs = tape.scratch(in.dtype(), {batch, heads, tokens, tokens});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::head_attention_forward<T>(y.data<T>(), probs.data<T>(), in.data<T>(),
                                         value_of<T>(bias), batch, tokens, width, heads, causal);
  });
  return tape.record("head_attention", y, [=, &tape](const Tensor& dy) {
    const Tensor dqkv = tape.scratch(in.dtype(), in.shape());
    const Arena::Mark mark = tape.arena().mark();
    const Tensor dscores = tape.scratch(in.dtype(), probs.shape());
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::head_attention_backward<T>(dqkv.data<T>(), grad_of<T>(bias), dscores.data<T>(),
                                            dy.data<T>(), probs.data<T>(), in.data<T>(), batch,
                                            tokens, width, heads);
    });
    tape.arena().rewind(mark);
    tape.accumulate_grad(qkv, dqkv, true);
  });
}

Var position_attention(Tape& tape, Var v, Parameter& bias, bool causal) {
  const Tensor in = tape.value(v);
  const int64_t batch = in.shape()[0];
  const int64_t tokens = in.shape()[1];
  const int64_t width = in.shape()[2];
  const int64_t heads = bias.value.shape()[0];
  require(width % heads == 0, "position_attention: the heads do not divide the width");
  require(bias.value.elements() == heads * (2 * tokens - 1),
          "position_attention: bias and tokens do not match");
  const Tensor y = tape.scratch(in.dtype(), in.shape());
  const Tensor probs = tape.scratch(in.dtype(), {heads, tokens, tokens});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    reference::position_attention_forward(y.data<T>(), probs.data<T>(), in.data<T>(),
                                          bias.value.data<T>(), batch, tokens, width, heads,
                                          causal);
  });
  return tape.record("position_attention", y, [=, &tape, &bias](const Tensor& dy) {
    const Tensor dv = tape.scratch(in.dtype(), in.shape());
    const Arena::Mark mark = tape.arena().mark();
    const Tensor dscores = tape.scratch(in.dtype(), probs.shape());
    dispatch_dtype(in.dtype(), [&]<typename T>() {
      reference::position_attention_backward(dv.data<T>(), bias.grad.data<T>(), dscores.data<T>(),
                                             dy.data<T>(), probs.data<T>(), in.data<T>(), batch,
                                             tokens, width, heads);
    });
    tape.arena().rewind(mark);
    tape.accumulate_grad(v, dv, true);
  });
}

}  // namespace gmlp
