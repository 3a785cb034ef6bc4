#pragma once
// The pre-norm Transformer block, the baseline of Table 3: x + attention(norm1(x)), then
// x + fc2(gelu(fc1(norm2(x)))).

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace gmlp {

struct TransformerConfig {
  int64_t tokens = 0;   // N
  int64_t d_model = 0;  // D
  int64_t d_ffn = 0;    // F
  int64_t heads = 0;    // H, a divisor of D
  bool content = true;  // q kᵀ in the scores; without it, weights depend on j - i alone
  bool relpos =
      false;  // a bias a head and distance, T5's form (Raffel et al. 2020) with no buckets
  bool causal = false;
  double norm_eps = 1e-6;

  int64_t parameter_count() const;
  /// Multiply-adds of the products, times two, of one sample's forward pass.
  double forward_flops() const;
};

}  // namespace gmlp
