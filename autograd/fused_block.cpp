#include "autograd/fused_block.h"

#include "core/error.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

using fused::BlockShape;
using fused::BlockWeights;

float* grad(const Parameter* parameter) {
  return parameter->grad.data<float>();
}
const float* value(const Parameter* parameter) {
  return parameter->value.data<float>();
}

/// The values of all parameters, with the dense W in place of the stored one.
BlockWeights<const float*> weights_of(const FusedBlockParameters& p, const float* spatial) {
  BlockWeights<const float*> weights{};
  for_each_weight([](const char*, const float*& to, const Parameter* from) { to = value(from); },
                  weights, p.weights);
  weights.spatial_weight = spatial;
  return weights;
}

/// Their gradients, with that of the dense W.
BlockWeights<float*> gradients_of(const FusedBlockParameters& p, float* spatial) {
  BlockWeights<float*> gradients{};
  for_each_weight([](const char*, float*& to, const Parameter* from) { to = grad(from); },
                  gradients, p.weights);
  gradients.spatial_weight = spatial;
  return gradients;
}

/// Whether the stored spatial weight is not the dense W itself.
bool is_structured(const FusedBlockParameters& p) {
  return p.causal || p.weights.spatial_weight->value.shape().rank() == 1;
}

/// The dense W, made on the arena when the stored one is Toeplitz or causal.
Tensor dense_spatial(Tape& tape, const FusedBlockParameters& p, int64_t tokens) {
  if (!is_structured(p)) return p.weights.spatial_weight->value;
  Tensor dense = tape.scratch(DType::kF32, {tokens, tokens});
  reference::spatial_weight_expand(dense.data<float>(), value(p.weights.spatial_weight), tokens,
                                   p.weights.spatial_weight->value.shape().rank() == 1, p.causal);
  return dense;
}

/// Room for what the forward keeps.
fused::BlockSaved allocate_saved(Tape& tape, const BlockShape& s, int64_t width) {
  const int64_t rows = s.batch * s.tokens;
  const bool bf16 = s.precision == fused::Precision::kBf16;
  const auto stats = [&] { return tape.scratch(DType::kF32, {rows}).data<float>(); };
  const auto room = [&](int64_t cols) {
    return tape.scratch(bf16 ? DType::kBf16 : DType::kF32, {rows, cols}).raw();
  };
  return {stats(), stats(), room(s.d_ffn), room(width), stats(), stats()};
}

/// One use of the block: all that forward and backward need of each other.
struct Call {
  FusedBlockParameters parameters;
  Var x, gate_extra;
  Tensor spatial;  // the dense W
  Tensor scales;
  BlockShape shape;
  int64_t width;  // E
};

fused::BlockData data_of(const Tape& tape, const Call& call) {
  fused::BlockData data{};
  data.x = tape.value(call.x).data<float>();
  if (call.scales.defined()) data.drop_scales = call.scales.data<float>();
  if (call.gate_extra.defined()) data.gate_extra = tape.value(call.gate_extra).data<float>();
  return data;
}

/// Where the packed weights are to be found, or to be put and kept.
void keep_packed(fused::BlockData& data, PackedBlock& packed, const BlockShape& s) {
  data.is_packed = packed.data != nullptr && packed.precision == s.precision;
  if (!data.is_packed) {
    packed.data = packed.room->allocate_bytes(fused::kernels().block_packed(s));
    packed.precision = s.precision;
  }
  data.packed = packed.data;
}

void forward(Tape& tape, const Call& call, float* y, const fused::BlockSaved& saved) {
  const fused::Kernels& kernels = fused::kernels();
  const Arena::Mark mark = tape.arena().mark();
  void* workspace = tape.arena().allocate_bytes(kernels.block_workspace(call.shape));
  fused::BlockData data = data_of(tape, call);
  data.y = y;
  PackedBlock& packed = *call.parameters.packed;
  if (packed.room != nullptr && !tape.recording()) keep_packed(data, packed, call.shape);
  kernels.block_forward(data, saved, weights_of(call.parameters, call.spatial.data<float>()),
                        workspace, call.shape);
  tape.arena().rewind(mark);
}

void backward(Tape& tape, const Call& call, fused::BlockSaved saved, const Tensor& dy) {
  const FusedBlockParameters& p = call.parameters;
  // In place where it can be: a chunk's dx is written after the last use of its dy.
  const Tensor dx = tape.try_take_grad() ? dy : tape.scratch(DType::kF32, dy.shape());
  Tensor dextra;
  if (call.gate_extra.defined()) {
    dextra = tape.scratch(DType::kF32, tape.value(call.gate_extra).shape());
  }
  const Arena::Mark mark = tape.arena().mark();
  if (saved.mean == nullptr) {  // checkpointed: the forward again, keeping all this time
    saved = allocate_saved(tape, call.shape, call.width);
    forward(tape, call, tape.scratch(DType::kF32, dx.shape()).data<float>(), saved);
  }
  Tensor dspatial = p.weights.spatial_weight->grad;
  if (is_structured(p)) {
    dspatial = tape.scratch(DType::kF32, call.spatial.shape());
    dspatial.fill(0);
  }
  const fused::Kernels& kernels = fused::kernels();
  void* workspace = tape.arena().allocate_bytes(kernels.block_workspace(call.shape));
  fused::BlockData data = data_of(tape, call);
  data.dy = dy.data<float>();
  data.dx = dx.data<float>();
  if (dextra.defined()) data.dgate_extra = dextra.data<float>();
  kernels.block_backward(data, gradients_of(p, dspatial.data<float>()), saved,
                         weights_of(p, call.spatial.data<float>()), workspace, call.shape);
  if (is_structured(p)) {
    reference::spatial_weight_expand_backward(
        grad(p.weights.spatial_weight), dspatial.data<float>(), call.shape.tokens,
        p.weights.spatial_weight->value.shape().rank() == 1, p.causal);
  }
  tape.arena().rewind(mark);
  tape.accumulate_grad(call.x, dx, true);
  if (dextra.defined()) tape.accumulate_grad(call.gate_extra, dextra);
}

}  // namespace

Var fused_block(Tape& tape, Var x, const FusedBlockParameters& p,
                const std::vector<double>& drop_scales, Var gate_extra) {
  const Shape s = tape.value(x).shape();
  Call call{p, x, gate_extra, {}, {}, {}, p.weights.gate_norm_weight->value.elements()};
  call.shape = {s[0],
                s[1],
                s[2],
                p.weights.fc1_bias->value.elements(),
                static_cast<float>(p.norm_eps),
                static_cast<float>(p.gate_eps),
                p.gate,
                p.causal,
                tape.execution().precision};
  require(p.weights.spatial_bias->value.elements() == s[1], "fused_block: tokens do not match");
  require(call.shape.precision == fused::Precision::kF32 || fused::bf16_fits(s[2], call.width),
          "fused_block: odd widths in bf16");
  if (!drop_scales.empty()) {
    call.scales = tape.scratch(DType::kF32, {s[0]});
    for (int64_t b = 0; b < s[0]; ++b) {
      call.scales.data<float>()[b] = static_cast<float>(drop_scales[static_cast<size_t>(b)]);
    }
  }
  const Tensor y = tape.scratch(DType::kF32, s);
  call.spatial = dense_spatial(tape, p, s[1]);
  fused::BlockSaved saved{};
  if (tape.recording() && !tape.execution().checkpoint) {
    saved = allocate_saved(tape, call.shape, call.width);
  }
  forward(tape, call, y.data<float>(), saved);
  return tape.record("fused_block", y,
                     [call, saved, &tape](const Tensor& dy) { backward(tape, call, saved, dy); });
}

}  // namespace gmlp
