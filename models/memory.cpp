// How much arena memory a training step takes, counted op by op as autograd/ allocates it.
// Parameters, their gradients and AdamW's moments (16 bytes a parameter in f32) are not in it.

#include <algorithm>

#include "kernels/dispatch.h"
#include "models/vision.h"

namespace gmlp {

namespace {

/// Elements that a fused block keeps: y and what BlockSaved lists forward, dx backward.
int64_t fused_block_elements(const BlockConfig& block, int64_t rows) {
  const int64_t forward = block.d_model + 4 + block.d_ffn + block.d_ffn / 2;
  return rows * (forward + block.d_model);
}

/// The same for the composed block, in the order of GmlpBlock::forward_composed.
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

int64_t training_memory(const VisionConfig& config, int64_t batch, DType dtype, Family family) {
  const BlockConfig block = config.block();
  const int64_t rows = batch * block.tokens;
  const bool fused =
      family == Family::kFused && dtype == DType::kF32 && config.gate == Gate::kSplit;
  const int64_t one_block =
      fused ? fused_block_elements(block, rows) : composed_block_elements(block, rows);
  const int64_t patch_size = config.chans * config.patch * config.patch;
  // Patches and the stem; the last norm forward and backward; pooling, head and loss are small.
  const int64_t ends = rows * (patch_size + config.d_model) + rows * (2 * config.d_model + 2) +
                       rows * config.d_model + batch * (4 * config.d_model + 6 * config.classes);
  const int64_t elements = config.depth * one_block + ends;
  int64_t workspace = 0;
  if (fused) {
    workspace = fused::kernels().block_workspace(
        {batch, block.tokens, block.d_model, block.d_ffn, 1e-6F, 1e-5F});
  }
  return elements * dtype_size(dtype) + workspace;
}

}  // namespace gmlp
