// One token t through the models, on the reference kernels' rows. x (D) is the residual stream.
//
//   gMLP block       x̂ = norm(x)      z = gelu(fc1 x̂)      (u, v) = halves of z, or z twice
//                    V̂[t] = norm(v)    g = sum over j <= t of W[t,j] V̂[j] + b[t]   (+ attention)
//                    x += fc2(u * g), or u + g, or g, by the gate
//   tiny attention   q, K[t], V[t] = thirds of qkv x̂      y = softmax(K q / √A) V over rows <= t
//   Transformer      the same per head, + bias[h, (N-1) + (j-t)]; then x += fc2(gelu(fc1 norm(x)))
//
// Cached: V̂ (N,E), and K and V of the attentions.

#include "models/decoder.h"

#include <cmath>

#include "core/error.h"
#include "core/softmax.h"
#include "kernels/reference/matrix.h"
#include "kernels/reference/reference.h"

namespace gmlp {

class Decoder::Steps {
 public:
  virtual ~Steps() = default;
  /// Token `id` at position t, after all earlier ones.
  virtual void feed(int64_t id, int64_t t, std::vector<double>& logits) = 0;
};

namespace {

using reference::Matrix;
using reference::row;
using reference::Row;

template <typename T>
Row<T> apply(const Parameter& weight, const Parameter* bias, const Row<T>& x) {
  Row<T> y(weight.value.shape()[0]);
  reference::linear_forward(y.data(), x.data(), weight.value.data<T>(), value_of<T>(bias), 1,
                            x.size(), y.size());
  return y;
}

template <typename T>
Row<T> apply(const Linear& layer, const Row<T>& x) {
  return apply(*layer.weight, layer.bias, x);
}

template <typename T>
Row<T> apply(const LayerNorm& norm, const Row<T>& x) {
  Row<T> y(x.size());
  T mean;
  T rstd;
  reference::layernorm_forward(y.data(), &mean, &rstd, x.data(), norm.weight->value.data<T>(),
                               norm.bias->value.data<T>(), 1, x.size(), norm.eps);
  return y;
}

template <typename T>
Row<T> gelu_row(const Row<T>& x) {
  Row<T> y(x.size());
  reference::gelu_forward(y.data(), x.data(), x.size());
  return y;
}

/// Row t of a parameter of rows of `width`.
template <typename T>
auto parameter_row(const Parameter& parameter, int64_t t, int64_t width) {
  return row(static_cast<const T*>(parameter.value.data<T>()) + t * width, width);
}

/// What a block caches of the tokens 0..t.
template <typename T>
struct Cache {
  Matrix<T> v_hat;  // (N, E), gMLP
  Matrix<T> keys;   // (N, A), attentions
  Matrix<T> values;

  /// q, k and v of token t, or v alone, (A) each -> the attention's output (A). relpos (H, 2N-1)
  /// or nullptr.
  Row<T> attend(const Row<T>& in, int64_t t, int64_t heads, const T* relpos) {
    const int64_t width = values.cols();
    const bool content = in.size() > width;
    if (content) keys.row(t) = in.segment(width, width);
    values.row(t) = in.tail(width);
    const int64_t a = width / heads;
    Row<T> y(width);
    for (int64_t h = 0; h < heads; ++h) {
      Row<T> s = Row<T>::Zero(t + 1);
      if (content) {
        s.noalias() = in.segment(h * a, a) * keys.block(0, h * a, t + 1, a).transpose();
        s /= std::sqrt(static_cast<T>(a));
      }
      // The biases of j = 0..t are contiguous and end at distance 0.
      const int64_t n = values.rows();
      if (relpos != nullptr) s += row(relpos + h * (2 * n - 1) + n - 1 - t, t + 1);
      softmax(s.data(), s.data(), t + 1);
      y.segment(h * a, a).noalias() = s * values.block(0, h * a, t + 1, a);
    }
    return y;
  }
};

template <typename T>
Row<T> step(const GmlpBlock& block, Cache<T>& cache, const Row<T>& x, int64_t t) {
  const BlockConfig& config = block.config();
  const GmlpBlock::Layers& layers = block.layers();
  const int64_t n = config.tokens;
  const int64_t e = config.gate_width();
  const Row<T> normed = apply(layers.norm, x);
  const Row<T> z = gelu_row<T>(apply(layers.fc1, normed));
  const Row<T> u = z.head(e);
  cache.v_hat.row(t) = apply<T>(layers.gate_norm, z.tail(e));
  // Row t of W up to its diagonal. In a Toeplitz w these weights end at distance 0.
  const T* w = layers.spatial_weight->value.data<T>() + (config.toeplitz ? n - 1 - t : t * n);
  Row<T> g = row(w, t + 1) * cache.v_hat.topRows(t + 1);
  g.array() += layers.spatial_bias->value.data<T>()[t];
  if (config.d_attn > 0) {
    g += apply(layers.attn_out, cache.attend(apply(layers.qkv, normed), t, 1, nullptr));
  }
  if (config.gate == Gate::kSplit || config.gate == Gate::kMultiplicative) g.array() *= u.array();
  if (config.gate == Gate::kAdditive) g += u;
  return x + apply(layers.fc2, g);
}

template <typename T>
Row<T> step(const TransformerBlock& block, Cache<T>& cache, const Row<T>& x, int64_t t) {
  const TransformerBlock::Layers& layers = block.layers();
  const Row<T> in = apply(layers.in, apply(layers.norm, x));
  const Row<T> y = cache.attend(in, t, block.config().heads, value_of<T>(layers.relpos));
  const Row<T> mixed = x + apply(layers.out, y);
  const Row<T> hidden = gelu_row<T>(apply(layers.mlp.fc1, apply(layers.mlp.norm, mixed)));
  return mixed + apply(layers.mlp.fc2, hidden);
}

template <typename T>
Row<T> step(const MixerBlock&, Cache<T>&, const Row<T>&, int64_t) {
  require(false, "Decoder: a Mixer is not causal");
  return {};
}

template <typename T>
class ModelSteps : public Decoder::Steps {
 public:
  explicit ModelSteps(const LanguageModel& model)
      : layers_(model.layers()), width_(model.config().block.d_model) {
    const LanguageConfig& config = model.config();
    const int64_t n = config.block.tokens;
    const int64_t attention = config.has_positions() ? width_ : config.block.d_attn;
    const int64_t gate = config.has_positions() ? 0 : config.block.gate_width();
    caches_.assign(layers_.blocks.size(),
                   {Matrix<T>(n, gate), Matrix<T>(n, attention), Matrix<T>(n, attention)});
  }

  void feed(int64_t id, int64_t t, std::vector<double>& logits) override {
    Row<T> x = parameter_row<T>(*layers_.embed, id, width_);
    if (layers_.positions != nullptr) x += parameter_row<T>(*layers_.positions, t, width_);
    for (size_t i = 0; i < caches_.size(); ++i) {
      x = std::visit([&](const auto& block) { return step<T>(block, caches_[i], x, t); },
                     layers_.blocks[i]);
    }
    const Row<T> y = apply<T>(*layers_.output, nullptr, apply(layers_.norm, x));
    for (int64_t i = 0; i < y.size(); ++i) logits[static_cast<size_t>(i)] = y[i];
  }

 private:
  const LanguageModel::Layers& layers_;
  int64_t width_;  // D
  std::vector<Cache<T>> caches_;
};

}  // namespace

Decoder::Decoder(const LanguageModel& model)
    : config_(model.config()), logits_(static_cast<size_t>(config_.vocab)) {
  if (!config_.block.causal) {
    fail_input(
        "model {} is not causal, so it cannot write a text from left to right; use one that was "
        "pretrained with --objective causal",
        config_.name);
  }
  if (config_.head != LanguageHead::kNone) {
    fail_input("model {} answers a task and does not write text; use a pretrained one",
               config_.name);
  }
  if (model.dtype() == DType::kF64) {
    steps_ = std::make_unique<ModelSteps<double>>(model);
  } else {
    steps_ = std::make_unique<ModelSteps<float>>(model);
  }
}

Decoder::~Decoder() = default;

const std::vector<double>& Decoder::feed(int64_t id) {
  require(position_ < config_.block.tokens, "Decoder: more tokens than its window; reset() first");
  require(id >= 0 && id < config_.vocab, "Decoder: an id beyond the vocabulary");
  steps_->feed(id, position_, logits_);
  ++position_;
  return logits_;
}

}  // namespace gmlp
