#include "autograd/fused_block.h"

#include "core/error.h"
#include "kernels/dispatch.h"
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

BlockWeights<const float> weights_of(const FusedBlockParameters& p, const float* spatial) {
  return {value(p.norm_weight),
          value(p.norm_bias),
          value(p.fc1_weight),
          value(p.fc1_bias),
          value(p.gate_norm_weight),
          value(p.gate_norm_bias),
          spatial,
          value(p.spatial_bias),
          value(p.fc2_weight),
          value(p.fc2_bias)};
}

BlockWeights<float> gradients_of(const FusedBlockParameters& p, float* spatial) {
  return {grad(p.norm_weight),
          grad(p.norm_bias),
          grad(p.fc1_weight),
          grad(p.fc1_bias),
          grad(p.gate_norm_weight),
          grad(p.gate_norm_bias),
          spatial,
          grad(p.spatial_bias),
          grad(p.fc2_weight),
          grad(p.fc2_bias)};
}

/// Whether the stored spatial weight is not the dense W itself.
bool is_structured(const FusedBlockParameters& p) {
  return p.causal || p.spatial_weight->value.shape().rank() == 1;
}

/// The dense W, made on the arena when the stored one is Toeplitz or causal.
Tensor dense_spatial(Tape& tape, const FusedBlockParameters& p, int64_t tokens) {
  if (!is_structured(p)) return p.spatial_weight->value;
  Tensor dense = tape.scratch(DType::kF32, {tokens, tokens});
  reference::spatial_weight_expand(dense.data<float>(), value(p.spatial_weight), tokens,
                                   p.spatial_weight->value.shape().rank() == 1, p.causal);
  return dense;
}

fused::BlockSaved allocate_saved(Tape& tape, const BlockShape& s) {
  if (!tape.recording()) return {};
  const int64_t rows = s.batch * s.tokens;
  const auto room = [&](int64_t cols) {
    return tape.scratch(DType::kF32, {rows, cols}).data<float>();
  };
  return {room(1), room(1), room(s.d_ffn), room(s.d_ffn / 2), room(1), room(1)};
}

void backward(Tape& tape, Var x, const FusedBlockParameters& p, const Tensor& scales,
              const fused::BlockSaved& saved, const Tensor& spatial, const BlockShape& shape,
              const Tensor& dy) {
  const Tensor in = tape.value(x);
  const Tensor dx = tape.scratch(DType::kF32, in.shape());
  const Arena::Mark mark = tape.arena().mark();
  Tensor dspatial = p.spatial_weight->grad;
  if (is_structured(p)) {
    dspatial = tape.scratch(DType::kF32, {shape.tokens, shape.tokens});
    dspatial.fill(0);
  }
  const fused::Kernels& kernels = fused::kernels();
  void* workspace = tape.arena().allocate_bytes(kernels.block_workspace(shape));
  kernels.block_backward(dx.data<float>(), gradients_of(p, dspatial.data<float>()),
                         dy.data<float>(), in.data<float>(),
                         scales.defined() ? scales.data<float>() : nullptr, saved,
                         weights_of(p, spatial.data<float>()), workspace, shape);
  if (is_structured(p)) {
    reference::spatial_weight_expand_backward(
        grad(p.spatial_weight), dspatial.data<float>(), shape.tokens,
        p.spatial_weight->value.shape().rank() == 1, p.causal);
  }
  tape.arena().rewind(mark);
  tape.give(x, dx);
}

}  // namespace

Var fused_block(Tape& tape, Var x, const FusedBlockParameters& p,
                const std::vector<double>& drop_scales) {
  const Tensor in = tape.value(x);
  const Shape& s = in.shape();
  const BlockShape shape{s[0],
                         s[1],
                         s[2],
                         p.fc1_bias->value.elements(),
                         static_cast<float>(p.norm_eps),
                         static_cast<float>(p.gate_eps)};
  require(p.spatial_bias->value.elements() == shape.tokens, "fused_block: tokens do not match");
  Tensor scales;
  if (!drop_scales.empty()) {
    scales = tape.scratch(DType::kF32, {shape.batch});
    for (int64_t b = 0; b < shape.batch; ++b) {
      scales.data<float>()[b] = static_cast<float>(drop_scales[static_cast<size_t>(b)]);
    }
  }
  const Tensor y = tape.scratch(DType::kF32, s);
  const Tensor spatial = dense_spatial(tape, p, shape.tokens);
  const fused::BlockSaved saved = allocate_saved(tape, shape);

  const fused::Kernels& kernels = fused::kernels();
  const Arena::Mark mark = tape.arena().mark();
  void* workspace = tape.arena().allocate_bytes(kernels.block_workspace(shape));
  kernels.block_forward(y.data<float>(), saved, in.data<float>(),
                        scales.defined() ? scales.data<float>() : nullptr,
                        weights_of(p, spatial.data<float>()), workspace, shape);
  tape.arena().rewind(mark);
  return tape.record("fused_block", y, [=, &tape](const Tensor& dy) {
    backward(tape, x, p, scales, saved, spatial, shape, dy);
  });
}

}  // namespace gmlp
