#pragma once
// What one block takes of the arena in a training step, counted op by op as autograd/ allocates it.

#include <cstdint>

#include "kernels/kernels.h"
#include "models/baselines/mixer_block.h"
#include "models/baselines/transformer_block.h"
#include "models/gmlp_block.h"

namespace gmlp {

/// Whether a model of this dtype takes the fused gMLP block.
inline bool takes_fused_block(DType dtype, const ExecutionOptions& execution) {
  return execution.backend == Backend::kFused && dtype == DType::kF32;
}

/// Bytes that a fused block, and the attention beside it, take from forward to the step's end.
int64_t fused_block_kept(const BlockConfig& block, int64_t batch,
                         const ExecutionOptions& execution);
/// Bytes of a fused block that are in use while its backward runs.
int64_t fused_block_transient(const BlockConfig& block, int64_t batch,
                              const ExecutionOptions& execution);

/// Elements that a composed block takes to the step's end: gMLP's and the baselines'.
int64_t composed_block_elements(const BlockConfig& block, int64_t batch);
int64_t composed_block_elements(const TransformerConfig& block, int64_t batch);
int64_t composed_block_elements(const MixerConfig& block, int64_t batch);

}  // namespace gmlp
