// One token t through the models, on the reference kernels' rows. x (D) is the residual stream.
//
//   gMLP block       x̂ = norm(x)      z = gelu(fc1 x̂)      (u, v) = z's halves, or z twice
//                    V̂[t] = norm(v)    g = sum over j <= t of W[t,j] V̂[j] + b[t]   (+ attention)
//                    x += fc2(u * g)   or u + g, or g: the gate's
//   tiny attention   q, K[t], V[t] = thirds of qkv x̂      y = softmax(K q / √A) V over rows <= t
//   Transformer      the same a head, + bias[h, (N-1) + (j-t)]; then x += fc2(gelu(fc1 norm(x)))
//
// Kept of the past: V̂ (N,E) and the attentions' K and V.

#include "models/decoder.h"

#include <cmath>
#include <map>

#include "core/error.h"
#include "core/softmax.h"
#include "kernels/reference/matrix.h"
#include "kernels/reference/reference.h"

namespace gmlp {

class Decoder::Steps {
 public:
  virtual ~Steps() = default;
  /// Token `id` at position t, all earlier ones having been there before.
  virtual void feed(int64_t id, int64_t t, std::vector<double>& logits) = 0;
};

namespace {

using reference::matrix;
using reference::Matrix;
using reference::row;
using reference::Row;

/// The model's weights by name.
template <typename T>
class Weights {
 public:
  explicit Weights(const LanguageModel& model) {
    for (const Parameter* parameter : model.parameters()) by_name_[parameter->name] = parameter;
  }
  bool has(const std::string& name) const { return by_name_.contains(name); }
  const Tensor& tensor(const std::string& name) const { return by_name_.at(name)->value; }
  const T* data(const std::string& name) const { return tensor(name).template data<T>(); }

 private:
  std::map<std::string, const Parameter*> by_name_;
};

/// y = W x + b.
template <typename T>
class Linear {
 public:
  Linear() = default;
  Linear(const Weights<T>& weights, const std::string& name, bool with_bias = true)
      : weight_(weights.data(name + "weight")),
        bias_(with_bias ? weights.data(name + "bias") : nullptr),
        out_(weights.tensor(name + "weight").shape()[0]) {}
  Row<T> operator()(const Row<T>& x) const {
    Row<T> y(out_);
    reference::linear_forward(y.data(), x.data(), weight_, bias_, 1, x.size(), out_);
    return y;
  }

 private:
  const T* weight_ = nullptr;
  const T* bias_ = nullptr;
  int64_t out_ = 0;
};

template <typename T>
class Norm {
 public:
  Norm(const Weights<T>& weights, const std::string& name, double eps)
      : gamma_(weights.data(name + "weight")), beta_(weights.data(name + "bias")), eps_(eps) {}
  Row<T> operator()(const Row<T>& x) const {
    Row<T> y(x.size());
    T mean;
    T rstd;
    reference::layernorm_forward(y.data(), &mean, &rstd, x.data(), gamma_, beta_, 1, x.size(),
                                 eps_);
    return y;
  }

 private:
  const T* gamma_;
  const T* beta_;
  double eps_;
};

template <typename T>
Row<T> gelu_row(const Row<T>& x) {
  Row<T> y(x.size());
  reference::gelu_forward(y.data(), x.data(), x.size());
  return y;
}

/// Keys and values of one attention of `heads` heads, and its bias by head and distance.
template <typename T>
class CachedAttention {
 public:
  /// `relpos` (H, 2N-1) or nullptr; without content it is all that the scores have.
  CachedAttention(int64_t tokens, int64_t width, int64_t heads, bool content, const T* relpos)
      : tokens_(tokens),
        width_(width),
        heads_(heads),
        content_(content),
        relpos_(relpos),
        keys_(content ? tokens : 0, width),
        values_(tokens, width) {}

  /// in: q, k and v, or v alone, of token t.
  Row<T> step(const Row<T>& in, int64_t t) {
    if (content_) keys_.row(t) = in.segment(width_, width_);
    values_.row(t) = in.tail(width_);
    const int64_t a = width_ / heads_;
    Row<T> y(width_);
    for (int64_t h = 0; h < heads_; ++h) {
      Row<T> s = Row<T>::Zero(t + 1);
      if (content_) {
        s.noalias() = in.segment(h * a, a) * keys_.block(0, h * a, t + 1, a).transpose();
        s /= std::sqrt(static_cast<T>(a));
      }
      // j = 0..t of the bias is a run of it that ends at distance 0.
      if (relpos_ != nullptr) s += row(relpos_ + h * (2 * tokens_ - 1) + tokens_ - 1 - t, t + 1);
      softmax(s.data(), s.data(), t + 1);
      y.segment(h * a, a).noalias() = s * values_.block(0, h * a, t + 1, a);
    }
    return y;
  }

 private:
  int64_t tokens_, width_, heads_;
  bool content_;
  const T* relpos_;
  Matrix<T> keys_;    // (N, D)
  Matrix<T> values_;  // (N, D)
};

template <typename T>
class GmlpSteps {
 public:
  GmlpSteps(const Weights<T>& weights, const LanguageConfig& config, const std::string& prefix)
      : block_(config.block),
        norm_(weights, prefix + "norm.", block_.norm_eps),
        fc1_(weights, prefix + "mlp_channels.fc1."),
        gate_norm_(weights, prefix + "mlp_channels.gate.norm.", block_.gate_eps),
        spatial_weight_(weights.data(prefix + "mlp_channels.gate.proj.weight")),
        spatial_bias_(weights.data(prefix + "mlp_channels.gate.proj.bias")),
        attention_(block_.tokens, block_.d_attn, 1, true, nullptr),
        fc2_(weights, prefix + "mlp_channels.fc2."),
        gates_(block_.tokens, block_.gate_width()) {
    if (block_.d_attn == 0) return;
    qkv_ = Linear<T>(weights, prefix + "mlp_channels.attn.qkv.");
    out_ = Linear<T>(weights, prefix + "mlp_channels.attn.out.");
  }

  Row<T> step(const Row<T>& x, int64_t t) {
    const int64_t e = block_.gate_width();
    const Row<T> normed = norm_(x);
    const Row<T> z = gelu_row<T>(fc1_(normed));
    const Row<T> u = z.head(e);
    gates_.row(t) = gate_norm_(z.tail(e));
    // Row t of W up to its diagonal; of a Toeplitz one, the run of w that ends at distance 0.
    const int64_t n = block_.tokens;
    const T* w = spatial_weight_ + (block_.toeplitz ? n - 1 - t : t * n);
    Row<T> g = row(w, t + 1) * gates_.topRows(t + 1);
    g.array() += spatial_bias_[t];
    if (block_.d_attn > 0) g += out_(attention_.step(qkv_(normed), t));
    switch (block_.gate) {
      case Gate::kSplit:
      case Gate::kMultiplicative:
        g.array() *= u.array();
        break;
      case Gate::kAdditive:
        g += u;
        break;
      case Gate::kLinear:
        break;
    }
    return x + fc2_(g);
  }

 private:
  BlockConfig block_;
  Norm<T> norm_;
  Linear<T> fc1_;
  Norm<T> gate_norm_;
  const T* spatial_weight_;  // (N, N) or (2N-1)
  const T* spatial_bias_;    // (N)
  Linear<T> qkv_, out_;
  CachedAttention<T> attention_;
  Linear<T> fc2_;
  Matrix<T> gates_;  // (N, E), normed
};

template <typename T>
class TransformerSteps {
 public:
  TransformerSteps(const Weights<T>& weights, const LanguageConfig& config,
                   const std::string& prefix)
      : norm1_(weights, prefix + "norm1.", config.block.norm_eps),
        in_(weights, prefix + (config.transformer().content ? "attn.qkv." : "attn.v.")),
        attention_(config.block.tokens, config.block.d_model, config.heads,
                   config.transformer().content,
                   config.transformer().relpos ? weights.data(prefix + "attn.relpos") : nullptr),
        out_(weights, prefix + "attn.proj."),
        norm2_(weights, prefix + "norm2.", config.block.norm_eps),
        fc1_(weights, prefix + "mlp.fc1."),
        fc2_(weights, prefix + "mlp.fc2.") {}

  Row<T> step(const Row<T>& x, int64_t t) {
    const Row<T> mixed = x + out_(attention_.step(in_(norm1_(x)), t));
    return mixed + fc2_(gelu_row<T>(fc1_(norm2_(mixed))));
  }

 private:
  Norm<T> norm1_;
  Linear<T> in_;
  CachedAttention<T> attention_;
  Linear<T> out_;
  Norm<T> norm2_;
  Linear<T> fc1_, fc2_;
};

template <typename T, typename Block>
class ModelSteps : public Decoder::Steps {
 public:
  explicit ModelSteps(const LanguageModel& model)
      : weights_(model),
        width_(model.config().block.d_model),
        norm_(weights_, "norm.", model.config().block.norm_eps),
        output_(weights_, model.config().tie_embeddings ? "embed." : "output.", false) {
    for (int64_t i = 0; i < model.config().depth; ++i) {
      blocks_.emplace_back(weights_, model.config(), "blocks." + std::to_string(i) + ".");
    }
  }

  void feed(int64_t id, int64_t t, std::vector<double>& logits) override {
    Row<T> x = row(weights_.data("embed.weight") + id * width_, width_);
    if (weights_.has("positions.weight")) {
      x += row(weights_.data("positions.weight") + t * width_, width_);
    }
    for (Block& block : blocks_) x = block.step(x, t);
    const Row<T> y = output_(norm_(x));
    for (int64_t i = 0; i < y.size(); ++i) {
      logits[static_cast<size_t>(i)] = static_cast<double>(y[i]);
    }
  }

 private:
  Weights<T> weights_;
  int64_t width_;
  std::vector<Block> blocks_;
  Norm<T> norm_;
  Linear<T> output_;
};

template <typename T>
std::unique_ptr<Decoder::Steps> make_steps(const LanguageModel& model) {
  if (model.config().has_positions()) {
    return std::make_unique<ModelSteps<T, TransformerSteps<T>>>(model);
  }
  return std::make_unique<ModelSteps<T, GmlpSteps<T>>>(model);
}

}  // namespace

Decoder::Decoder(LanguageModel& model)
    : tokens_(model.config().block.tokens),
      vocab_(model.config().vocab),
      logits_(static_cast<size_t>(vocab_)) {
  if (!model.config().block.causal) {
    fail_input(
        "model {} is not causal, so it cannot write a text from left to right; use one that was "
        "pretrained with --objective causal",
        model.config().name);
  }
  if (model.config().head != LanguageHead::kNone) {
    fail_input("model {} answers a task and does not write text; use a pretrained one",
               model.config().name);
  }
  steps_ = model.dtype() == DType::kF64 ? make_steps<double>(model) : make_steps<float>(model);
}

Decoder::~Decoder() = default;

void Decoder::reset() {
  // What lies in the caches beyond position() is never read.
  position_ = 0;
}

const std::vector<double>& Decoder::feed(int64_t id) {
  require(position_ < tokens_, "Decoder: more tokens than the model sees; reset() first");
  require(id >= 0 && id < vocab_, "Decoder: an id outside of the vocabulary");
  steps_->feed(id, position_, logits_);
  ++position_;
  return logits_;
}

}  // namespace gmlp
