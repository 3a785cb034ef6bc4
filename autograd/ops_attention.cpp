// Ops that mix tokens, y = P x: the spatial projection of the gating unit, where P is a weight, the
// tiny attention of aMLP, and the baselines' attention of many heads, with a bias by distance or
// with that bias alone.

#include <algorithm>

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

/// Records an op that saves its mixing weights P (`mixing`): forward(y, P, x) and
/// backward(dx, dP, dy, P, x), where dP has memory during the backward alone.
template <typename Forward, typename Backward>
Var record_mixing(Tape& tape, const char* name, Var x, const Shape& shape, const Shape& mixing,
                  const Forward& forward, const Backward& backward) {
  const Tensor in = tape.value(x);
  const Tensor y = tape.scratch(in.dtype(), shape);
  const Tensor p = tape.scratch(in.dtype(), mixing);
  tape.run(in.dtype(), [&]<typename T>() { forward(y.data<T>(), p.data<T>(), in.data<T>()); });
  return tape.record(name, y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.scratch_like(in);
    tape.run_with_workspace(p.bytes(), [&](void* dp) {
      tape.run(in.dtype(), [&]<typename T>() {
        backward(dx.data<T>(), static_cast<T*>(dp), dy.data<T>(), p.data<T>(), in.data<T>());
      });
    });
    tape.accumulate_grad(x, dx, true);
  });
}

/// Counts the FLOPs of `count` products of (N, N) by (N, width).
void count_products(Tape& tape, int64_t count, int64_t tokens, int64_t width) {
  const double n = static_cast<double>(tokens);
  tape.count_flops(2 * static_cast<double>(count) * n * n * static_cast<double>(width));
}

void check_bias(const Parameter& bias, const reference::AttentionShape& shape) {
  require(shape.width % shape.heads == 0, "attention: the heads do not divide the width");
  require(bias.value.elements() == shape.heads * (2 * shape.tokens - 1),
          "attention: bias and tokens do not match");
}

}  // namespace

Var spatial_project(Tape& tape, Var x, Parameter& weight, Parameter& bias, bool causal) {
  const Shape shape = tape.value(x).shape();
  const int64_t n = shape[1];
  const bool toeplitz = weight.value.shape().rank() == 1;
  require(bias.value.elements() == n, "spatial_project: bias and tokens do not match");
  count_products(tape, shape[0], n, shape[2]);
  return record_mixing(
      tape, "spatial_project", x, shape, {n, n},
      [&]<typename T>(T* y, T* w, T* in) {
        reference::spatial_weight_expand(w, weight.value.data<T>(), n, toeplitz, causal);
        reference::spatial_project_forward(y, in, w, bias.value.data<T>(), shape[0], n, shape[2]);
      },
      [=, &weight, &bias]<typename T>(T* dx, T* dw, T* dy, T* w, T* in) {
        std::fill_n(dw, n * n, T(0));
        reference::spatial_project_backward(dx, dw, bias.grad.data<T>(), dy, in, w, shape[0], n,
                                            shape[2]);
        reference::spatial_weight_expand_backward(weight.grad.data<T>(), dw, n, toeplitz, causal);
      });
}

Var head_attention(Tape& tape, Var qkv, Parameter* bias, int64_t heads, bool causal) {
  const Shape in = tape.value(qkv).shape();
  const reference::AttentionShape shape{in[0], in[1], in[2] / 3, heads};
  const int64_t n = shape.tokens;
  if (bias != nullptr) check_bias(*bias, shape);
  count_products(tape, 2 * shape.batch, n, shape.width);
  return record_mixing(
      tape, "head_attention", qkv, {shape.batch, n, shape.width}, {shape.batch, heads, n, n},
      [=]<typename T>(T* y, T* p, T* x) {
        reference::head_attention_forward<T>(y, p, x, value_of<T>(bias), shape, causal);
      },
      [=]<typename T>(T* dqkv, T* dp, T* dy, T* p, T* x) {
        reference::head_attention_backward<T>(dqkv, grad_of<T>(bias), dp, dy, p, x, shape);
      });
}

Var position_attention(Tape& tape, Var v, Parameter& bias, bool causal) {
  const Shape in = tape.value(v).shape();
  const int64_t n = in[1];
  const reference::AttentionShape shape{in[0], n, in[2], bias.value.shape()[0]};
  check_bias(bias, shape);
  count_products(tape, shape.batch, n, shape.width);
  return record_mixing(
      tape, "position_attention", v, in, {shape.heads, n, n},
      [=, &bias]<typename T>(T* y, T* p, T* x) {
        reference::position_attention_forward(y, p, x, bias.value.data<T>(), shape, causal);
      },
      [=, &bias]<typename T>(T* dv, T* dp, T* dy, T* p, T* x) {
        reference::position_attention_backward(dv, bias.grad.data<T>(), dp, dy, p, x, shape);
      });
}

}  // namespace gmlp
