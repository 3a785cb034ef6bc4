#include "autograd/fused_block.h"

#include <algorithm>

#include "core/error.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

using fused::BlockSaved;
using fused::BlockShape;
using fused::BlockWeights;

/// One use of the block: what its forward and its backward share.
struct Call {
  FusedBlockParameters parameters;
  Var x, gate_extra;
  Tensor drop_scales;  // (B), or undefined
  Tensor spatial;      // the dense W (N, N)
  BlockShape shape;
  int64_t width;  // E

  Parameter& stored_spatial() const { return *parameters.weights.spatial_weight; }
  bool toeplitz() const { return stored_spatial().value.shape().rank() == 1; }
  /// Whether the dense W differs from the stored weight.
  bool expands() const { return toeplitz() || shape.causal; }

  BlockWeights<const float*> weights() const {
    BlockWeights<const float*> pointers{};
    for_each_weight(
        [](const char*, const float*& pointer, Parameter* p) { pointer = p->value.data<float>(); },
        pointers, parameters.weights);
    pointers.spatial_weight = spatial.data<float>();
    return pointers;
  }
  BlockWeights<float*> gradients(const Tensor& dspatial) const {
    BlockWeights<float*> pointers{};
    for_each_weight(
        [](const char*, float*& pointer, Parameter* p) { pointer = p->grad.data<float>(); },
        pointers, parameters.weights);
    pointers.spatial_weight = dspatial.data<float>();
    return pointers;
  }
  fused::BlockData data(const Tape& tape) const {
    fused::BlockData data{};
    data.x = tape.value(x).data<float>();
    data.drop_scales = data_or_null<float>(drop_scales);
    if (gate_extra.defined()) data.gate_extra = tape.value(gate_extra).data<float>();
    return data;
  }
};

/// The dense W, allocated if the stored weight is Toeplitz or causal.
Tensor dense_spatial(Tape& tape, const Call& call) {
  if (!call.expands()) return call.stored_spatial().value;
  const Tensor dense = tape.scratch(DType::kF32, {call.shape.tokens, call.shape.tokens});
  tape.run([&] {
    reference::spatial_weight_expand(dense.data<float>(), call.stored_spatial().value.data<float>(),
                                     call.shape.tokens, call.toeplitz(), call.shape.causal);
  });
  return dense;
}

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
          .t = activation(call.width),
          .gate_mean = stats(),
          .gate_rstd = stats()};
}

/// Evaluation with constant weights: packs them on the first call, reuses them on the next ones.
void reuse_packed(fused::BlockData& data, PackedWeights& packed, const BlockShape& shape) {
  data.is_packed = packed.data != nullptr && packed.precision == shape.precision;
  if (!data.is_packed) {
    packed.data = packed.arena->allocate_bytes(fused::kernels().block_packed(shape));
    packed.precision = shape.precision;
  }
  data.packed = packed.data;
}

void forward(Tape& tape, const Call& call, const Tensor& y, const BlockSaved& saved) {
  const ArenaScope scope(tape.arena());
  const fused::Kernels& kernels = fused::kernels();
  void* workspace = tape.arena().allocate_bytes(kernels.block_workspace(call.shape));
  fused::BlockData data = call.data(tape);
  data.y = y.data<float>();
  PackedWeights& packed = *call.parameters.packed;
  if (packed.arena != nullptr && !tape.recording()) reuse_packed(data, packed, call.shape);
  tape.run([&] { kernels.block_forward(data, saved, call.weights(), workspace, call.shape); });
}

/// Everything of the backward that needs workspace.
void run_backward(Tape& tape, const Call& call, BlockSaved saved, const Tensor& dy,
                  const Tensor& dx, const Tensor& dextra) {
  const ArenaScope scope(tape.arena());
  if (saved.mean == nullptr) {  // checkpointed
    saved = allocate_saved(tape, call);
    forward(tape, call, tape.scratch_like(dx), saved);
  }
  Parameter& spatial = call.stored_spatial();
  const Tensor dspatial = call.expands() ? tape.scratch_like(call.spatial) : spatial.grad;
  const fused::Kernels& kernels = fused::kernels();
  void* workspace = tape.arena().allocate_bytes(kernels.block_workspace(call.shape));
  fused::BlockData data = call.data(tape);
  data.dy = dy.data<float>();
  data.dx = dx.data<float>();
  data.dgate_extra = data_or_null<float>(dextra);
  tape.run([&] {
    if (call.expands()) dspatial.fill(0);
    kernels.block_backward(data, call.gradients(dspatial), saved, call.weights(), workspace,
                           call.shape);
    if (!call.expands()) return;
    reference::spatial_weight_expand_backward(spatial.grad.data<float>(), dspatial.data<float>(),
                                              call.shape.tokens, call.toeplitz(),
                                              call.shape.causal);
  });
}

void backward(Tape& tape, const Call& call, const BlockSaved& saved, const Tensor& dy) {
  // In place if possible: the kernels write a chunk's dx after the last use of its dy.
  const Tensor dx = tape.try_take_grad() ? dy : tape.scratch_like(dy);
  Tensor dextra;
  if (call.gate_extra.defined()) dextra = tape.scratch_like(tape.value(call.gate_extra));
  run_backward(tape, call, saved, dy, dx, dextra);
  tape.accumulate_grad(call.x, dx, true);
  if (dextra.defined()) tape.accumulate_grad(call.gate_extra, dextra);
}

}  // namespace

Var fused_block(Tape& tape, Var x, const FusedBlockParameters& parameters,
                const std::vector<double>& drop_scales, Var gate_extra) {
  const Tensor in = tape.value(x);
  const BlockWeights<Parameter*>& weights = parameters.weights;
  Call call{.parameters = parameters,
            .x = x,
            .gate_extra = gate_extra,
            .drop_scales = {},
            .spatial = {},
            .shape = {.batch = in.shape()[0],
                      .tokens = in.shape()[1],
                      .d_model = in.shape()[2],
                      .d_ffn = weights.fc1_bias->value.elements(),
                      .norm_eps = static_cast<float>(parameters.norm_eps),
                      .gate_eps = static_cast<float>(parameters.gate_eps),
                      .gate = parameters.gate,
                      .causal = parameters.causal,
                      .precision = tape.execution().precision},
            .width = weights.gate_norm_weight->value.elements()};
  require(weights.spatial_bias->value.elements() == call.shape.tokens,
          "fused_block: tokens do not match");
  require(call.shape.precision == fused::Precision::kF32 ||
              fused::bf16_fits(call.shape.d_model, call.width),
          "fused_block: odd widths in bf16");
  if (!drop_scales.empty()) {
    call.drop_scales = tape.scratch(DType::kF32, {call.shape.batch});
    tape.run([&] {
      std::transform(drop_scales.begin(), drop_scales.end(), call.drop_scales.data<float>(),
                     [](double scale) { return static_cast<float>(scale); });
    });
  }
  const Tensor y = tape.scratch_like(in);
  call.spatial = dense_spatial(tape, call);
  BlockSaved saved{};
  if (tape.recording() && !tape.execution().checkpoint) saved = allocate_saved(tape, call);
  forward(tape, call, y, saved);
  return tape.record("fused_block", y,
                     [call, saved, &tape](const Tensor& dy) { backward(tape, call, saved, dy); });
}

}  // namespace gmlp
