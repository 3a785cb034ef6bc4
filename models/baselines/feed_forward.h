#pragma once
// The residual MLP of the baselines: x + fc2(gelu(fc1(norm(x)))), over channels, or over tokens.

#include <cstdint>
#include <string>
#include <vector>

#include "autograd/tape.h"

namespace gmlp {

/// How the parameters are named: `norm` + "weight", `mlp` + "fc1.weight", ...
struct FeedForwardNames {
  std::string norm;
  std::string mlp;
};

class FeedForward {
 public:
  /// The MLP maps `width` numbers to `hidden` and back: the D channels of a token, or, with
  /// `over_tokens`, the N tokens of a channel. The norm is over the D channels in both.
  FeedForward(int64_t d_model, int64_t width, int64_t hidden, bool over_tokens, double norm_eps,
              const FeedForwardNames& names, DType dtype, uint64_t seed);

  /// x (B, N, D) -> (B, N, D).
  Var forward(Tape& tape, Var x);
  void collect(std::vector<Parameter*>& parameters);

 private:
  bool over_tokens_;
  double norm_eps_;
  Parameter norm_weight_, norm_bias_;  // (D)
  Parameter fc1_weight_, fc1_bias_;    // (hidden, width), (hidden)
  Parameter fc2_weight_, fc2_bias_;    // (width, hidden), (width)
};

}  // namespace gmlp
