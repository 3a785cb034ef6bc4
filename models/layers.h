#pragma once
// Parameters, and the two layers that every model is made of: PyTorch's nn.Linear and nn.LayerNorm.

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "autograd/ops.h"

namespace gmlp {

enum class Init : uint8_t {
  kZeros,
  kOnes,
  kXavierUniform,  // U(-a, a), a = sqrt(6 / (in + out)): timm's for linear layers
  kLecunNormal,    // N(0, 1 / in): timm's for the stem
  kNormal,         // N(0, std²)
  kSinusoids,      // of a position per row (Vaswani et al. 2017), of standard deviation `std`
};

/// The parameters of a model, in the order of their creation, which is timm's. A layer holds
/// pointers into the list.
class ParameterList {
 public:
  /// With Storage::kMeta parameters have shapes and no memory: to measure what a model needs.
  ParameterList(DType dtype, uint64_t seed, Storage storage = Storage::kMemory)
      : dtype_(dtype), seed_(seed), storage_(storage) {}
  ParameterList(const ParameterList&) = delete;
  ParameterList& operator=(const ParameterList&) = delete;

  /// A new parameter with its (zero) gradient. Its values depend on (seed, name) alone, so adding
  /// a layer changes no other one. The first dimension counts as `out`, the product of the others
  /// as `in`. Weight decay applies from two dimensions on.
  Parameter* add(const std::string& name, const Shape& shape, Init init, double std = 0);

  const std::vector<Parameter*>& all() const { return all_; }
  DType dtype() const { return dtype_; }

 private:
  DType dtype_;
  uint64_t seed_;
  Storage storage_;
  std::deque<Parameter> parameters_;
  std::vector<Parameter*> all_;
};

/// y = x Wᵀ + b over the last dimension. W (out, in), b (out), which starts at zero. Inside of a
/// block the product is in the tape's precision, else in f32.
struct Linear : fused::WeightAndBias<Parameter*> {
  Linear() = default;
  Linear(ParameterList& list, const std::string& name, const Shape& shape,
         Init init = Init::kXavierUniform, double std = 0)
      : WeightAndBias{list.add(name + "weight", shape, init, std),
                      list.add(name + "bias", {shape[0]}, Init::kZeros)} {}
  Var operator()(Tape& tape, Var x) const { return linear(tape, x, *weight, bias); }
  Var in_block(Tape& tape, Var x) const {
    return linear(tape, x, *weight, bias, tape.execution().precision);
  }
};

/// y = (x - mean) / sqrt(var + eps) * weight + bias over the last dimension, of `width`.
struct LayerNorm : fused::WeightAndBias<Parameter*> {
  double eps = 0;

  LayerNorm() = default;
  LayerNorm(ParameterList& list, const std::string& name, int64_t width, double epsilon)
      : WeightAndBias{list.add(name + "weight", {width}, Init::kOnes),
                      list.add(name + "bias", {width}, Init::kZeros)},
        eps(epsilon) {}
  Var operator()(Tape& tape, Var x) const { return layernorm(tape, x, *weight, *bias, eps); }
};

/// What the randomness of one training forward depends on.
struct ForwardContext {
  bool training = false;
  double drop_rate = 0;  // vision: stochastic depth; language: dropout
  uint64_t seed = 0;
  int64_t step = 0;  // counts micro-batches from the start of the run
};

/// Replaces the ops of a block that mix tokens, each if it is set. A decoder's read caches.
struct TokenMixer {
  // spatial_project: (B, N, E) -> (B, N, E)
  std::function<Var(Var v, const Parameter& weight, const Parameter& bias)> project;
  // head_attention: (B, N, 3D) -> (B, N, D); without content (B, N, D) -> (B, N, D)
  std::function<Var(Var qkv, const Parameter* bias, int64_t heads)> attend;
};

}  // namespace gmlp
