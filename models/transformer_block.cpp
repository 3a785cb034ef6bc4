#include "models/transformer_block.h"

namespace gmlp {

int64_t TransformerConfig::parameter_count() const {
  const int64_t norms = 4 * d_model;
  const int64_t projections = (content ? 4 : 2) * d_model * (d_model + 1);  // q, k, v and out
  const int64_t bias = relpos ? heads * (2 * tokens - 1) : 0;
  return norms + projections + bias + 2 * d_model * d_ffn + d_ffn + d_model;
}

double TransformerConfig::forward_flops() const {
  const double n = static_cast<double>(tokens);
  const double d = static_cast<double>(d_model);
  const double projections = (content ? 4 : 2) * n * d * d;
  const double attention = (content ? 2 : 1) * n * n * d;
  return 2 * (projections + attention + 2 * n * d * static_cast<double>(d_ffn));
}

}  // namespace gmlp
