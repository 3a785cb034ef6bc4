#include "models/block_memory.h"

#include <algorithm>

namespace gmlp {

namespace {

/// Elements of the tiny attention beside a block, forward and backward, with the norm that the
/// composed block shares with it or, fused, makes again.
int64_t attention_elements(const BlockConfig& block, int64_t batch, bool own_norm) {
  if (block.d_attn == 0) return 0;
  const int64_t rows = batch * block.tokens;
  const int64_t d = block.d_model;
  const int64_t a = block.d_attn;
  const int64_t e = block.gate_width();
  const int64_t scores = batch * block.tokens * block.tokens;
  const int64_t norm = own_norm ? (d + 2) + d : 0;  // y and the statistics; dx
  const int64_t forward = rows * (3 * a + a + e) + scores;
  // One e more: the sum with the gate, or the gate's gradient. A d is the sum of two gradients.
  const int64_t backward = rows * (e + a + 3 * a + d + d) + scores;
  return rows * norm + forward + backward;
}

/// Elements of x + fc2(gelu(fc1(norm(x)))), forward and backward, for `hidden` numbers a token.
int64_t feed_forward_elements(int64_t rows, int64_t d, int64_t hidden) {
  const int64_t forward = (d + 2) + hidden + hidden + d + d;
  const int64_t backward = hidden + hidden + d + d + d;  // the last: two gradients meet in x
  return rows * (forward + backward);
}

}  // namespace

int64_t fused_block_kept(const BlockConfig& block, int64_t batch,
                         const ExecutionOptions& execution) {
  const int64_t rows = batch * block.tokens;
  const int64_t saved_size = execution.precision == fused::Precision::kBf16 ? 2 : 4;
  const int64_t saved = 4 * 4 + saved_size * (block.d_ffn + block.gate_width());  // BlockSaved
  const bool dense_made = block.toeplitz || block.causal;
  const int64_t dense = dense_made ? 4 * block.tokens * block.tokens : 0;
  return rows * (4 * block.d_model + (execution.checkpoint ? 0 : saved)) + dense +
         4 * attention_elements(block, batch, true);
}

int64_t fused_block_transient(const BlockConfig& block, int64_t batch,
                              const ExecutionOptions& execution) {
  const int64_t workspace =
      fused::kernels().block_workspace({batch, block.tokens, block.d_model, block.d_ffn, 1e-6F,
                                        1e-5F, block.gate, block.causal, execution.precision});
  const bool dense_made = block.toeplitz || block.causal;
  const int64_t ddense = dense_made ? 4 * block.tokens * block.tokens : 0;
  if (!execution.checkpoint) return workspace + ddense;
  // Checkpointed, y and what is saved are there again.
  BlockConfig alone = block;
  alone.d_attn = 0;
  alone.toeplitz = alone.causal = false;
  ExecutionOptions keeping = execution;
  keeping.checkpoint = false;
  return workspace + ddense + fused_block_kept(alone, batch, keeping);
}

// In the order of GmlpBlock::forward_composed.
int64_t composed_block_elements(const BlockConfig& block, int64_t batch) {
  const int64_t rows = batch * block.tokens;
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
  return rows * (forward + backward) + 2 * block.tokens * block.tokens +
         attention_elements(block, batch, false);
}

int64_t composed_block_elements(const TransformerConfig& block, int64_t batch) {
  const int64_t rows = batch * block.tokens;
  const int64_t d = block.d_model;
  const int64_t in = block.content ? 3 * d : d;
  // Without content the weights are one for the whole batch.
  const int64_t probs = (block.content ? batch : 1) * block.heads * block.tokens * block.tokens;
  const int64_t forward = (d + 2) + in + d + d + d;
  const int64_t backward = d + in + d + d + d;
  return rows * (forward + backward) + probs + feed_forward_elements(rows, d, block.d_ffn);
}

int64_t composed_block_elements(const MixerConfig& block, int64_t batch) {
  const int64_t rows = batch * block.tokens;
  const int64_t d = block.d_model;
  // Over tokens D S numbers a sample are hidden, and each way is transposed twice.
  const int64_t hidden = batch * d * block.spatial_ffn;
  const int64_t over_tokens = rows * ((d + 2) + 4 * d + 6 * d) + 4 * hidden;
  return over_tokens + feed_forward_elements(rows, d, block.d_ffn);
}

}  // namespace gmlp
