// How much arena memory a vision model takes in a training step, counted op by op as autograd/
// allocates it. Parameters, their gradients and AdamW's moments (16 bytes a parameter in f32) are
// not in it.

#include "models/block_memory.h"
#include "models/vision.h"

namespace gmlp {

int64_t training_memory(const VisionConfig& config, int64_t batch, DType dtype,
                        const ExecutionOptions& execution) {
  const BlockConfig block = config.block();
  const int64_t rows = batch * block.tokens;
  const int64_t patch_size = config.chans * config.patch * config.patch;
  // Patches and the stem; the last norm forward and backward; pooling, head and loss are small.
  const int64_t ends = rows * (patch_size + config.d_model) + rows * (2 * config.d_model + 2) +
                       rows * config.d_model + batch * (4 * config.d_model + 6 * config.classes);
  if (!takes_fused_block(dtype, execution)) {
    return dtype_size(dtype) * (ends + config.depth * composed_block_elements(block, batch));
  }
  // The gradient travels from block to block in the one place that the last norm gave it.
  return 4 * ends + config.depth * fused_block_kept(block, batch, execution) +
         fused_block_transient(block, batch, execution);
}

}  // namespace gmlp
