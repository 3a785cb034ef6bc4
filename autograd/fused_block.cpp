// One gMLP block as a single op on the fused kernels, in f32 or bf16 (ExecutionOptions::precision).
//
//   forward    z = gelu(fc1(norm(x)))      (u, v) = halves of z      t = W norm(v)
//              y = x + drop * fc2(u * (t + b + extra))
//              x, y (B, N, D)   z (B, N, F)   u, v, t (B, N, E)   W (N, N)   b (N)
//   backward   dx, dextra, and the gradients of the ten parameters, last stage first
//   saved      h (z before GELU), t, and the mean and rstd of both norms: R (F + E) numbers in
//              `precision` and 4 R in f32, R = B N. With checkpointing none: the backward first
//              runs the forward again.
//
// kernels/fused/block.cpp runs the three stages.

#include <utility>

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/reference/spatial_gate.h"

namespace gmlp {

namespace {

using fused::BlockSaved;
using fused::BlockShape;
using fused::BlockWeights;

/// One use of the block: what its forward and its backward share.
struct Call : FusedBlockParameters {
  Var x, gate_extra;
  Tensor drop_scales;  // (B), or undefined
  Tensor spatial;      // the dense W (N, N)

  Parameter& stored_spatial() const { return *weights.spatial.weight; }
  int64_t width() const { return weights.gate_norm.weight->value.elements(); }  // E
  bool toeplitz() const { return stored_spatial().value.shape().rank() == 1; }
  /// Whether the dense W differs from the stored weight.
  bool expands() const { return toeplitz() || shape.causal; }

  /// The values, or the gradients, of the ten parameters, with `dense` for the spatial weight.
  template <typename Pointer>
  BlockWeights<Pointer> pointers(Tensor Parameter::*member, const Tensor& dense) const {
    BlockWeights<Pointer> result{};
    const auto set = [&](Pointer& pointer, const Parameter* parameter) {
      pointer = (parameter->*member).template data<float>();
    };
    for_each_weight(set, result, weights);
    result.spatial.weight = dense.data<float>();
    return result;
  }
  BlockWeights<const float*> values() const {
    return pointers<const float*>(&Parameter::value, spatial);
  }
  fused::BlockData data(const Tape& tape) const {
    fused::BlockData data{};
    data.x = tape.value(x).data<float>();
    data.drop_scales = data_or_null<float>(drop_scales);
    if (gate_extra.defined()) data.gate_extra = tape.value(gate_extra).data<float>();
    return data;
  }
};

BlockSaved allocate_saved(Tape& tape, const Call& call) {
  const int64_t rows = call.shape.batch * call.shape.tokens;
  const bool bf16 = call.shape.precision == fused::Precision::kBf16;
  const auto stats = [&] { return tape.scratch(DType::kF32, {rows}).data<float>(); };
  const auto activation = [&](int64_t cols) {
    return tape.scratch(bf16 ? DType::kBf16 : DType::kF32, {rows, cols}).raw();
  };
  return {.mean = stats(),
          .rstd = stats(),
          .h = activation(call.shape.d_ffn),
          .t = activation(call.width()),
          .gate_mean = stats(),
          .gate_rstd = stats()};
}

/// Evaluation: packs the weights on the first call, and reuses them until training changes them.
void reuse_packed(fused::BlockData& data, PackedWeights& packed, const BlockShape& shape) {
  const bool fits = packed.data != nullptr && packed.precision == shape.precision;
  if (!fits) packed.data = packed.arena->allocate_bytes(fused::kernels().block_packed(shape));
  packed.precision = shape.precision;
  const bool stale = std::exchange(packed.is_stale, false);
  data.is_packed = fits && !stale;
  data.packed = packed.data;
}

void forward(Tape& tape, const Call& call, const Tensor& y, const BlockSaved& saved) {
  const fused::Kernels& kernels = fused::kernels();
  fused::BlockData data = call.data(tape);
  data.y = y.data<float>();
  const bool constant =
      call.packed->arena != nullptr && !tape.recording() && !tape.arena().is_counting();
  if (constant) reuse_packed(data, *call.packed, call.shape);
  tape.run_with_workspace(kernels.block_workspace(call.shape), [&](void* workspace) {
    kernels.block_forward(data, saved, call.values(), workspace, call.shape);
  });
}

/// `dx` may be dy: the kernels write a chunk's dx after the last use of its dy.
void backward(Tape& tape, const Call& call, BlockSaved saved, const Tensor& dy, const Tensor& dx,
              const Tensor& dextra) {
  const ArenaScope scope(tape.arena());
  if (saved.mean == nullptr) {  // checkpointed
    saved = allocate_saved(tape, call);
    forward(tape, call, tape.scratch_like(dx), saved);
  }
  const Tensor& stored = call.stored_spatial().grad;
  const Tensor dspatial = call.expands() ? tape.scratch_like(call.spatial) : stored;
  const fused::Kernels& kernels = fused::kernels();
  fused::BlockData data = call.data(tape);
  data.dy = dy.data<float>();
  data.dx = dx.data<float>();
  data.dgate_extra = data_or_null<float>(dextra);
  tape.run_with_workspace(kernels.block_workspace(call.shape), [&](void* workspace) {
    if (call.expands()) dspatial.fill(0);
    kernels.block_backward(data, call.pointers<float*>(&Parameter::grad, dspatial), saved,
                           call.values(), workspace, call.shape);
    if (!call.expands()) return;
    reference::spatial_weight_expand_backward(stored.data<float>(), dspatial.data<float>(),
                                              call.shape.tokens, call.toeplitz(),
                                              call.shape.causal);
  });
}

/// The block's use on x, with the dense W and the scales in memory.
Call make_call(Tape& tape, Var x, const FusedBlockParameters& parameters,
               const std::vector<double>& drop_scales, Var gate_extra) {
  Call call{parameters, x, gate_extra, {}, parameters.weights.spatial.weight->value};
  const int64_t tokens = call.shape.tokens;
  const Shape& in = tape.value(x).shape();
  require(in[1] == tokens, "fused_block: tokens do not match");
  require(in == Shape({call.shape.batch, tokens, call.shape.d_model}),
          "fused_block: x is not of the block's width");
  require(call.shape.precision == fused::Precision::kF32 ||
              fused::bf16_fits(call.shape.d_model, call.width()),
          "fused_block: odd widths in bf16");
  require(drop_scales.empty() || std::ssize(drop_scales) == call.shape.batch,
          "fused_block: not one drop scale per sample");
  if (!drop_scales.empty()) call.drop_scales = tape.scratch(DType::kF32, {call.shape.batch});
  if (call.expands()) call.spatial = tape.scratch(DType::kF32, {tokens, tokens});
  tape.run([&] {
    for (size_t b = 0; b < drop_scales.size(); ++b) {
      call.drop_scales.data<float>()[b] = static_cast<float>(drop_scales[b]);
    }
    if (!call.expands()) return;
    reference::spatial_weight_expand(call.spatial.data<float>(),
                                     call.stored_spatial().value.data<float>(), tokens,
                                     call.toeplitz(), call.shape.causal);
  });
  return call;
}

}  // namespace

Var fused_block(Tape& tape, Var x, const FusedBlockParameters& parameters,
                const std::vector<double>& drop_scales, Var gate_extra) {
  const Call call = make_call(tape, x, parameters, drop_scales, gate_extra);
  const Tensor y = tape.scratch_like(tape.value(x));
  BlockSaved saved{};
  if (tape.recording() && !tape.execution().checkpoint) saved = allocate_saved(tape, call);
  forward(tape, call, y, saved);
  return tape.record("fused_block", y, [=, &tape](const Tensor& dy) {
    const Tensor dx = tape.try_take_grad() ? dy : tape.scratch_like(dy);
    Tensor dextra;
    if (gate_extra.defined()) dextra = tape.scratch_like(tape.value(gate_extra));
    backward(tape, call, saved, dy, dx, dextra);
    tape.accumulate_grad(x, dx, true);
    if (dextra.defined()) tape.accumulate_grad(gate_extra, dextra);
  });
}

}  // namespace gmlp
