#pragma once
// The differentiable ops. Each allocates its output on the tape's arena, calls the forward kernel,
// and records the closure that calls the backward kernel. The arithmetic is in kernels/, one op per
// page. B batch, N tokens, D model width, F feed-forward width, E gate width, A attention width,
// H heads, V vocabulary, C classes.

#include <cstdint>
#include <vector>

#include "autograd/tape.h"
#include "kernels/reference/dropout.h"

namespace gmlp {

// ops_layers.cpp: ops with weights, and the nonlinearity between them.

/// (B, C, H, W) -> (B, N, C P P): non-overlapping patches in raster order, each flattened as
/// (C, P, P).
Var patchify(Tape& tape, Var images, int64_t patch);
/// ids -> (B, N, D): rows of the table (V, D). Throws InputError for an id that it lacks.
Var embedding(Tape& tape, const std::vector<int64_t>& ids, int64_t batch, Parameter& table);
/// y = x Wᵀ + b over the last dimension; W (out, in), b (out) or nullptr.
Var linear(Tape& tape, Var x, Parameter& weight, Parameter* bias,
           fused::Precision precision = fused::Precision::kF32);
/// y = (x - mean) / sqrt(var + eps) * gamma + beta over the last dimension.
Var layernorm(Tape& tape, Var x, Parameter& gamma, Parameter& beta, double eps);
/// y = x Φ(x), with the exact normal distribution function.
Var gelu(Tape& tape, Var x);

// ops_elementwise.cpp: ops without matrix products.

/// Columns [0, F/2) or [F/2, F) of the last dimension.
Var split_half(Tape& tape, Var x, bool second);
Var add(Tape& tape, Var a, Var b);
Var multiply(Tape& tape, Var a, Var b);
/// Stochastic depth: sample b times scales[b], which is 0 or 1 / survival probability.
Var drop_path(Tape& tape, Var x, const std::vector<double>& scales);
/// Each element becomes 0 with probability key.rate, or else is scaled by 1 / (1 - rate). The mask
/// depends on (seed, step, site) alone; the site is the place in the model.
using DropoutKey = reference::DropoutKey;
/// With a shortcut, z = shortcut + branch, and only the branch is dropped.
Var dropout(Tape& tape, Var z, const DropoutKey& key, Var shortcut = {});

/// (B, N, D) -> (B, D): the mean over tokens.
Var mean_pool(Tape& tape, Var x);
/// (B, N, D) -> (B, N+1, D): the token (D) becomes the first.
Var prepend_token(Tape& tape, Var x, Parameter& token);
/// (B, N, D) -> (M, D): the rows of these numbers, each of B N.
Var select_rows(Tape& tape, Var x, const std::vector<int64_t>& numbers);
/// (B, N, D) -> (B, D): the token at `position`.
Var select_token(Tape& tape, Var x, int64_t position);
/// (B, N, D) plus a table (N, D), the same for every sample.
Var add_positions(Tape& tape, Var x, Parameter& table);
/// (B, N, D) -> (B, D, N).
Var transpose_tokens(Tape& tape, Var x);

// ops_attention.cpp: ops that mix tokens.

/// The spatial projection of the SGU: y[b,i,:] = sum_j W[i,j] x[b,j,:] + bias[i]. W is (N, N), or,
/// Toeplitz, 2N-1 weights with W[i,j] = w[(N-1) + (j-i)]; causal drops j > i.
Var spatial_project(Tape& tape, Var x, Parameter& weight, Parameter& bias, bool causal);
/// Attention of `heads` heads over tokens: qkv (B, N, 3D) -> softmax(q kᵀ / sqrt(D / H)) v,
/// (B, N, D). bias (H, 2N-1), added to the scores by head and distance j - i, may be nullptr.
/// Without `content` only the bias is in the scores, and the input is v (B, N, D).
Var head_attention(Tape& tape, Var qkv, Parameter* bias, int64_t heads, bool causal,
                   bool content = true);

// ops_loss.cpp

/// scale * mean over rows of -sum_c w[c] targets[r,c] log softmax(logits)[r,c]; targets (R, C), of
/// the logits' dtype or f32. Without class weights each w[c] is 1.
Var cross_entropy(Tape& tape, Var logits, const Tensor& targets, double scale,
                  const std::vector<double>& class_weights = {});
/// The same with one class per row; rows with a negative id are not scored; mean over the others.
/// Throws InputError for an id beyond the classes.
Var cross_entropy_ids(Tape& tape, Var logits, const std::vector<int64_t>& ids, double scale);
/// cross_entropy_ids(linear(x, table, bias), ids), where the logits of rows that are not scored
/// (id < 0) are never computed. On the fused kernels the others are never in memory at once. x (B,
/// N, D), table (V, D), bias (V) or nullptr. The loss is 0 if no row is scored.
Var linear_cross_entropy(Tape& tape, Var x, Parameter& table, Parameter* bias,
                         const std::vector<int64_t>& ids, double scale);

// fused_block.cpp

/// Packed weights that outlive a call. The first forward that records nothing fills them.
struct PackedWeights {
  Arena* arena = nullptr;  // nullptr: each forward packs the weights anew
  void* data = nullptr;    // nullptr: not packed yet
  bool is_stale = false;   // a step of training may have changed the weights
  fused::Precision precision = fused::Precision::kF32;
};
struct FusedBlockParameters {
  fused::BlockWeights<Parameter*> weights;  // the spatial one (N, N), or (2N-1) if Toeplitz
  fused::BlockShape shape;
  PackedWeights* packed;
};
/// The gMLP block as a single op, x (B, N, D) -> y = x + drop * fc2(u * (W norm(v) + b + extra)),
/// where (u, v) are the halves of gelu(fc1(norm(x))). drop_scales (B) or empty: stochastic depth's.
/// gate_extra (B, N, E) may be undefined: the tiny attention's output.
Var fused_block(Tape& tape, Var x, const FusedBlockParameters& parameters,
                const std::vector<double>& drop_scales, Var gate_extra);

}  // namespace gmlp
