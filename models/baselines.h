#pragma once
// The blocks of a model: gMLP's, and those that the paper compares it with (Tables 2 and 3), on x
// (B, N, D), in pre-norm form:
//
//   Transformer   x + proj(attention(qkv(norm1(x)))), then x + mlp(norm2(x))
//   MLP-Mixer     x + mlp over tokens(norm1(x)), then x + mlp over channels(norm2(x))
//   mlp(x) = fc2(gelu(fc1(x)))
//
// Of their BlockConfig the last two use tokens, d_model, d_ffn, causal and norm_eps. Parameters are
// named "blocks.", the block's number, and timm's names.

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "models/gmlp_block.h"

namespace gmlp {

/// What the blocks of a model are. The Transformers have learned absolute positions.
enum class Arch : uint8_t {
  kGmlp,         // with block.d_attn > 0 aMLP
  kTransformer,  // BERT's encoder in pre-norm form; for images ViT
  kMixer,        // MLP-Mixer (Tolstikhin et al. 2021)
  // The Transformer with a bias per head and distance in the scores (Raffel et al. 2020), without
  // T5's buckets.
  kTransformerRelpos,
  kRelposOnly  // that bias alone in the scores: no q and k, weights depend on j - i alone
};

/// A residual branch, x (B, N, D) -> x + f(x). `drop_scales` (B, or empty) are stochastic depth's.
using Branch = std::function<Var(Tape& tape, Var x, const std::vector<double>& drop_scales,
                                 const TokenMixer& mixer)>;
struct Block {
  std::vector<Branch> branches;     // one of a gMLP, else two
  std::shared_ptr<GmlpBlock> gmlp;  // nullptr for the baselines
};
/// `heads` are a Transformer's: H, a divisor of D. `spatial_ffn` is a Mixer's: the width of its MLP
/// over tokens.
std::vector<Block> make_blocks(ParameterList& list, Arch arch, int64_t depth,
                               const BlockConfig& config, int64_t heads, int64_t spatial_ffn);

/// What all models have.
template <typename Config>
class Model {
 public:
  /// Forwards that record nothing keep the blocks' weights packed, in as much memory again. That
  /// saves a tenth of the time of one image. GmlpBlock::prepack_weights says until when.
  void prepack_weights() {
    for (const Block& block : blocks_) {
      if (block.gmlp) block.gmlp->prepack_weights(packed_);
    }
  }

  const Config& config() const { return config_; }
  /// All parameters in the order of their creation, which is timm's.
  const std::vector<Parameter*>& parameters() const { return parameters_.all(); }
  const std::vector<Block>& blocks() const { return blocks_; }
  DType dtype() const { return parameters_.dtype(); }

 protected:
  Model(const Config& config, DType dtype, uint64_t seed, Storage storage)
      : config_(config), parameters_(dtype, seed, storage) {
    config.validate();
  }

  Config config_;
  ParameterList parameters_;
  std::vector<Block> blocks_;  // blocks.i.*

 private:
  Arena packed_;  // the blocks' packed weights
};

}  // namespace gmlp
