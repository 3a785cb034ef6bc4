// How much arena memory a training step takes, counted op by op as autograd/ allocates it.
// Parameters, their gradients and AdamW's moments (16 bytes a parameter in f32) are not in it.

#include <algorithm>

#include "kernels/dispatch.h"
#include "models/vision.h"

namespace gmlp {

namespace {

/// Bytes that a fused block keeps from forward to backward: y, and what BlockSaved lists.
int64_t fused_block_kept(const BlockConfig& block, int64_t rows, const Compute& compute) {
  const int64_t saved_size = compute.precision == fused::Precision::kBf16 ? 2 : 4;
  const int64_t saved = 4 * 4 + saved_size * (block.d_ffn + block.gate_width());
  return rows * (4 * block.d_model + (compute.checkpoint ? 0 : saved));
}

/// Bytes of a fused block that are in use while its backward runs: what the kernel asks for and,
/// checkpointed, y and what is saved again.
int64_t fused_block_transient(const BlockConfig& block, int64_t batch, const Compute& compute) {
  const int64_t workspace =
      fused::kernels().block_workspace({batch, block.tokens, block.d_model, block.d_ffn, 1e-6F,
                                        1e-5F, block.gate, block.causal, compute.precision});
  if (!compute.checkpoint) return workspace;
  Compute keeping = compute;
  keeping.checkpoint = false;
  return workspace + fused_block_kept(block, batch * block.tokens, keeping);
}

/// Elements that a composed block allocates, in the order of GmlpBlock::forward_composed.
int64_t composed_block_elements(const BlockConfig& block, int64_t rows) {
  const int64_t d = block.d_model;
  const int64_t f = block.d_ffn;
  const int64_t e = block.gate_width();
  const bool split = block.gate == Gate::kSplit;
  const int64_t halves = split ? 2 * e : 0;
  const int64_t product = block.gate == Gate::kLinear ? 0 : e;
  const int64_t forward = (d + 2) + f + f + halves + (e + 2) + e + product + d + d;
  const int64_t gate_backward =
      block.gate == Gate::kSplit || block.gate == Gate::kMultiplicative ? 2 * e : 0;
  // Two gradients meet in z (both halves, or both uses of it) and in x, and are summed into a
  // third.
  const int64_t meet = split ? 3 * f : (block.gate == Gate::kLinear ? 0 : f);
  const int64_t backward = e + gate_backward + e + e + meet + f + d + d + d;
  return rows * (forward + backward) + 2 * block.tokens * block.tokens;
}

}  // namespace

int64_t training_memory(const VisionConfig& config, int64_t batch, DType dtype,
                        const Compute& compute) {
  const BlockConfig block = config.block();
  const int64_t rows = batch * block.tokens;
  const int64_t patch_size = config.chans * config.patch * config.patch;
  // Patches and the stem; the last norm forward and backward; pooling, head and loss are small.
  const int64_t ends = rows * (patch_size + config.d_model) + rows * (2 * config.d_model + 2) +
                       rows * config.d_model + batch * (4 * config.d_model + 6 * config.classes);
  if (compute.family == Family::kReference || dtype != DType::kF32) {
    return dtype_size(dtype) * (ends + config.depth * composed_block_elements(block, rows));
  }
  // The gradient travels from block to block in the one place that the last norm gave it.
  return 4 * ends + config.depth * fused_block_kept(block, rows, compute) +
         fused_block_transient(block, batch, compute);
}

}  // namespace gmlp
