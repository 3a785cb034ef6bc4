#include "models/baselines/mixer_block.h"

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

MixerBlock::MixerBlock(const MixerConfig& config, const std::string& prefix, DType dtype,
                       uint64_t seed)
    : tokens_(config.d_model, config.tokens, config.spatial_ffn, true, config.norm_eps,
              {prefix + "norm1.", prefix + "mlp_tokens."}, dtype, seed),
      channels_(config.d_model, config.d_model, config.d_ffn, false, config.norm_eps,
                {prefix + "norm2.", prefix + "mlp_channels."}, dtype, seed) {}

void MixerBlock::collect(std::vector<Parameter*>& parameters) {
  tokens_.collect(parameters);
  channels_.collect(parameters);
}

}  // namespace gmlp
