// How much arena memory a language model takes in a training step, counted op by op as autograd/
// allocates it. Parameters, their gradients and AdamW's moments (16 bytes a parameter in f32) are
// not in it.

#include <algorithm>
#include <cmath>

#include "kernels/reference/reference.h"
#include "models/block_memory.h"
#include "models/language.h"

namespace gmlp {

namespace {

/// BERT's share of masked positions (data/text/corpus.h); a causal model scores all of them.
constexpr double kMaskedShare = 0.15;

/// Bytes at work while the loss, or a linear layer's or an attention's backward, runs.
int64_t loss_transient(const LanguageConfig& config, int64_t scored, bool fused, int64_t size) {
  const int64_t gathered = config.block.causal ? 0 : size * scored * config.block.d_model;
  if (!fused) {
    return gathered + size * reference::linear_cross_entropy_room(scored, config.vocab);
  }
  return gathered + fused::kernels().linear_cross_entropy_workspace(
                        {scored, config.block.d_model, config.vocab});
}

int64_t baseline_transient(const LanguageConfig& config, int64_t batch, bool fused, int64_t size) {
  const int64_t n = config.block.tokens;
  const int64_t d = config.block.d_model;
  const bool attends = config.arch == Arch::kTransformer || config.arch == Arch::kTransformerRelpos;
  const int64_t scores = attends ? size * batch * config.heads * n * n : 0;
  if (!fused) return scores;
  // The last big products on the way back: qkv's, or, over tokens, fc1's.
  const fused::LinearShape shape = config.arch == Arch::kMixer
                                       ? fused::LinearShape{batch * d, n, config.spatial_ffn}
                                       : fused::LinearShape{batch * n, d, attends ? 3 * d : d};
  return std::max(scores, fused::kernels().linear_workspace(shape));
}

}  // namespace

int64_t language_training_memory(const LanguageConfig& config, int64_t batch, DType dtype,
                                 const ExecutionOptions& execution) {
  const BlockConfig& block = config.block;
  const int64_t size = dtype_size(dtype);
  const bool fused = takes_fused_block(dtype, execution);
  const int64_t rows = batch * block.tokens;
  const double share = block.causal ? 1 : kMaskedShare;
  const int64_t scored = static_cast<int64_t>(std::ceil(share * static_cast<double>(rows)));
  // Embedding, positions, the last norm; the gathered rows of the loss and their statistics.
  const int64_t ends =
      size * (rows * ((config.has_positions() ? 2 : 1) * block.d_model) +
              rows * (block.d_model + 2) + scored * ((block.causal ? 0 : block.d_model) + 2));
  const int64_t gradients = size * rows * 2 * block.d_model;  // of the last norm's y and x
  int64_t forward = 0;                                        // what the blocks take up to the loss
  int64_t all = 0;                                            // and up to the end
  int64_t transient = 0;
  if (config.arch == Arch::kGmlp && fused) {
    // The gradient travels from block to block in the one place that the last norm gave it.
    all = config.depth * fused_block_kept(block, batch, execution);
    transient = fused_block_transient(block, batch, execution);
    BlockConfig alone = block;
    alone.d_attn = 0;
    forward = config.depth * fused_block_kept(alone, batch, execution);
  } else {
    int64_t elements = composed_block_elements(block, batch);
    if (config.has_positions()) elements = composed_block_elements(config.transformer(), batch);
    if (config.arch == Arch::kMixer) elements = composed_block_elements(config.mixer(), batch);
    all = size * config.depth * elements;
    if (config.arch != Arch::kGmlp) transient = baseline_transient(config, batch, fused, size);
    forward = all / 2;
  }
  const int64_t at_loss =
      forward + size * rows * block.d_model + loss_transient(config, scored, fused, size);
  return ends + std::max(at_loss, gradients + all + transient);
}

}  // namespace gmlp
