// A decoder runs the model's own blocks on one token t, x (1, 1, D), and replaces the ops that mix
// tokens:
//
//   spatial projection   V̂[t] = v                    y = sum over j <= t of W[t,j] V̂[j] + b[t]
//   attention, per head  q, keys[t], values[t] =     y = softmax(keys q / √A) values, rows <= t,
//                        qkv, or values[t] = v       with bias[h, (N-1) + (j-t)] in the scores
//
// Cached per block: V̂ (N, E), and keys and values (N, A) of the attentions.
// Sampling is at the end: temperature, top-k and nucleus.

#include "models/decoder.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "core/softmax.h"
#include "kernels/reference/matrix.h"

namespace gmlp {

namespace {

using reference::matrix;
using reference::Row;
using reference::row;

Var project(Tape& tape, Var v, const Parameter& weight, const Parameter& bias, const Tensor& v_hat,
            int64_t t) {
  const Tensor in = tape.value(v);
  const Tensor y = tape.scratch_like(in);
  const int64_t n = v_hat.shape()[0];
  const int64_t e = v_hat.shape()[1];
  // Row t of W up to its diagonal. In a Toeplitz w these weights end at distance 0.
  const bool toeplitz = weight.value.shape().rank() == 1;
  const int64_t first = toeplitz ? n - 1 - t : t * n;
  const auto kernel = [&](auto* out, auto* x, auto* cache, auto* w, auto* b) {
    auto cached = matrix(cache, n, e);
    cached.row(t) = row(x, e);
    row(out, e).noalias() = row(w + first, t + 1) * cached.topRows(t + 1);
    row(out, e).array() += b[t];
  };
  tape.run(in.dtype(), kernel, y, in, v_hat, weight.value, bias.value);
  return tape.constant(y);
}

/// relpos (H, 2N-1) or nullptr.
Var attend(Tape& tape, Var qkv, const Tensor& keys, const Tensor& values, int64_t t, int64_t heads,
           const Parameter* relpos) {
  const Tensor in = tape.value(qkv);
  const int64_t n = values.shape()[0];
  const int64_t width = values.shape()[1];
  const bool content = in.elements() > width;
  const Tensor y = tape.scratch(in.dtype(), {1, 1, width});
  const auto kernel = [&]<typename T>(T* out, T* x, T* k_data, T* v_data, T* bias) {
    const auto input = row(x, in.elements());
    auto k = matrix(k_data, n, width);
    auto v = matrix(v_data, n, width);
    if (content) k.row(t) = input.segment(width, width);
    v.row(t) = input.tail(width);
    const int64_t a = width / heads;
    for (int64_t h = 0; h < heads; ++h) {
      Row<T> s = Row<T>::Zero(t + 1);
      if (content) {
        s.noalias() = input.segment(h * a, a) * k.block(0, h * a, t + 1, a).transpose();
        s /= std::sqrt(static_cast<T>(a));
      }
      // The biases of j = 0..t are contiguous and end at distance 0.
      if (bias != nullptr) s += row(bias + h * (2 * n - 1) + n - 1 - t, t + 1);
      softmax(s.data(), s.data(), t + 1);
      row(out, width).segment(h * a, a).noalias() = s * v.block(0, h * a, t + 1, a);
    }
  };
  tape.run(in.dtype(), kernel, y, in, keys, values, value_of(relpos));
  return tape.constant(y);
}

}  // namespace

Decoder::Decoder(const LanguageModel& model)
    : model_(model), logits_(static_cast<size_t>(model.config().vocab)) {
  const LanguageConfig& config = model.config();
  refuse_if(
      !config.block.causal,
      "model {} is not causal, so it cannot write a text from left to right; use one that was "
      "pretrained with --objective causal",
      config.name);
  refuse_if(config.head != LanguageHead::kNone,
            "model {} answers a task and does not write text; use a pretrained one", config.name);
  const int64_t gate = config.has_positions() ? 0 : config.block.gate_width();
  const int64_t attention = config.has_positions() ? config.block.d_model : config.block.d_attn;
  const auto rows = [&](int64_t width) {
    return Tensor::zeros(model.dtype(), {config.block.tokens, width});
  };
  for (int64_t i = 0; i < config.depth; ++i) {
    caches_.push_back({.v_hat = rows(gate), .keys = rows(attention), .values = rows(attention)});
  }
}

const std::vector<double>& Decoder::feed(int64_t id) {
  const LanguageConfig& config = model_.config();
  require(position_ < config.block.tokens, "Decoder: more tokens than its window; reset() first");
  require(id >= 0 && id < config.vocab, "Decoder: an id beyond the vocabulary");
  const ArenaScope scope(arena_);
  Tape tape(arena_, Backend::kReference, false);
  const LanguageModel::Layers& layers = model_.layers();
  Var x = embedding(tape, {id}, 1, *layers.embed);
  if (config.has_positions()) {
    x = add(tape, x, embedding(tape, {position_}, 1, *layers.positions));
  }
  for (size_t i = 0; i < model_.blocks().size(); ++i) {
    const Cache& cache = caches_[i];
    TokenMixer mixer;
    mixer.project = [&](Var v, const Parameter& weight, const Parameter& bias) {
      return project(tape, v, weight, bias, cache.v_hat, position_);
    };
    mixer.attend = [&](Var qkv, const Parameter* relpos, int64_t heads) {
      return attend(tape, qkv, cache.keys, cache.values, position_, heads, relpos);
    };
    for (const Branch& branch : model_.blocks()[i].branches) x = branch(tape, x, {}, mixer);
  }
  const Tensor y = tape.value(linear(tape, layers.norm(tape, x), *layers.output, nullptr));
  for (int64_t i = 0; i < config.vocab; ++i) logits_[static_cast<size_t>(i)] = y.at(i);
  ++position_;
  return logits_;
}

int64_t sample(const std::vector<double>& logits, const std::vector<int64_t>& allowed,
               const SamplingOptions& options, int64_t draw) {
  const auto more_likely = [&](int64_t a, int64_t b) {
    const double left = logits[static_cast<size_t>(a)];
    const double right = logits[static_cast<size_t>(b)];
    return left > right || (left == right && a < b);
  };
  if (options.temperature == 0) {
    return *std::min_element(allowed.begin(), allowed.end(), more_likely);
  }
  std::vector<int64_t> ids = allowed;
  std::sort(ids.begin(), ids.end(), more_likely);
  if (options.top_k > 0) ids.resize(std::min(ids.size(), static_cast<size_t>(options.top_k)));

  std::vector<double> p(ids.size());
  const double highest = logits[static_cast<size_t>(ids.front())];
  for (size_t i = 0; i < ids.size(); ++i) {
    p[i] = (logits[static_cast<size_t>(ids[i])] - highest) / options.temperature;
  }
  softmax(p.data(), p.data(), static_cast<int64_t>(p.size()));
  // The nucleus: the fewest, most likely ids that reach top_p (Holtzman et al. 2020).
  double nucleus = 0;
  size_t count = 0;
  while (count < p.size() && (count == 0 || nucleus < options.top_p)) nucleus += p[count++];

  Random random(options.seed, Purpose::kSample, static_cast<uint64_t>(draw));
  double rest = random.uniform() * nucleus;
  for (size_t i = 0; i + 1 < count; ++i) {
    rest -= p[i];
    if (rest < 0) return ids[i];
  }
  return ids[count - 1];
}

Generator::Generator(const LanguageModel& model, const std::vector<int64_t>& allowed,
                     const std::vector<int64_t>& prompt, const SamplingOptions& options)
    : decoder_(model), window_(model.config().block.tokens), allowed_(allowed), options_(options) {
  refuse_if(prompt.empty() || allowed.empty(), "generate: no prompt, or no allowed ids; give some");
  // Of a prompt that is longer than the window its end is read; the answer needs the other half.
  const bool fits = std::ssize(prompt) <= window_;
  const auto first = fits ? prompt.begin() : prompt.end() - (window_ - window_ / 2);
  ids_.assign(prompt.begin(), first);
  for (auto id = first; id != prompt.end(); ++id) logits_ = &feed(*id);
}

const std::vector<double>& Generator::feed(int64_t id) {
  ids_.push_back(id);
  if (decoder_.position() < window_) return decoder_.feed(id);
  decoder_.reset();
  const size_t again = static_cast<size_t>(window_ / 2);  // tokens before this one
  for (size_t i = ids_.size() - 1 - again; i + 1 < ids_.size(); ++i) decoder_.feed(ids_[i]);
  return decoder_.feed(id);
}

int64_t Generator::next() {
  const int64_t id = sample(*logits_, allowed_, options_, draws_++);
  logits_ = &feed(id);
  return id;
}

}  // namespace gmlp
