#include "models/mixer_block.h"

namespace gmlp {

int64_t MixerConfig::parameter_count() const {
  const int64_t norms = 4 * d_model;
  return norms + 2 * tokens * spatial_ffn + spatial_ffn + tokens  // over tokens
         + 2 * d_model * d_ffn + d_ffn + d_model;                 // over channels
}

double MixerConfig::forward_flops() const {
  const double n = static_cast<double>(tokens);
  const double d = static_cast<double>(d_model);
  return 2 * 2 * n * d * static_cast<double>(spatial_ffn + d_ffn);
}

}  // namespace gmlp
