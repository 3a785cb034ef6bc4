#pragma once
// Attention of H heads over tokens (Vaswani et al. 2017), D = H A. With one head and no bias it is
// the tiny attention of aMLP (paper, section 4.3). The baselines of Table 3 add a learned bias per
// head and distance (T5's, without buckets), or attend by nothing but that bias.
//
//   head_attention
//     forward    S_h = q_h k_hᵀ / √A + R_h      P_h = softmax over j of S_h      y_h = P_h v_h
//                q, k, v (N,D) are the thirds of each row of qkv (N,3D); columns h A.. are head h's
//                R_h[i,j] = bias[h, (N-1) + (j-i)], bias (H, 2N-1) or nullptr
//                causal: S[i,j] = -inf for j > i
//     backward   dv_h = P_hᵀ dy_h      dP_h = dy_h v_hᵀ      dS = P * (dP - sum_j dP * P)
//                dq_h = dS_h k_h / √A  dk_h = dS_hᵀ q_h / √A
//                dbias[h, (N-1) + (j-i)] += sum over the batch and that diagonal of dS_h
//     Saved: P, H N² numbers per sample. dscores is workspace for dS (B,H,N,N).
//
//   position_attention: no q and k, so S_h = R_h and P_h is one for the whole batch
//     forward    P_h = softmax over j of R_h        y_h = P_h v_h, v (N,D)
//     backward   dv_h = P_hᵀ dy_h                   dP_h = sum over the batch of dy_h v_hᵀ
//     Saved: P, H N² numbers in all. dscores (H,N,N).

#include <cmath>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

/// Row i of R: the N numbers of bias (2N-1) that begin at (N-1) - i.
template <typename T>
Eigen::Map<const Row<T>> distance_row(const T* bias, int64_t i, int64_t tokens) {
  return row(bias + tokens - 1 - i, tokens);
}

template <typename T>
void add_distances(T* dbias, const T* ds, int64_t tokens) {
  for (int64_t i = 0; i < tokens; ++i) {
    row(dbias + tokens - 1 - i, tokens) += row(ds + i * tokens, tokens);
  }
}

template <typename T>
void head_attention_forward(T* y, T* probs, const T* qkv, const T* bias, int64_t batch,
                            int64_t tokens, int64_t width, int64_t heads, bool causal) {
  const int64_t a = width / heads;
  const T scale = T(1) / std::sqrt(static_cast<T>(a));
  parallel_for(batch * heads, [&](int64_t bh) {
    const int64_t b = bh / heads;
    const int64_t h = bh % heads;
    const auto x = matrix(qkv + b * tokens * 3 * width, tokens, 3 * width);
    auto p = matrix(probs + bh * tokens * tokens, tokens, tokens);
    set_product<T>(p, x.middleCols(h * a, a), transposed<T>(x.middleCols(width + h * a, a)), scale);
    if (bias != nullptr) {
      const T* head_bias = bias + h * (2 * tokens - 1);
      for (int64_t i = 0; i < tokens; ++i) p.row(i) += distance_row(head_bias, i, tokens);
    }
    softmax_rows(p, T(1), causal);
    set_product<T>(matrix(y + b * tokens * width, tokens, width).middleCols(h * a, a), p,
                   x.middleCols(2 * width + h * a, a));
  });
}

template <typename T>
void head_attention_backward(T* dqkv, T* dbias, T* dscores, const T* dy, const T* probs,
                             const T* qkv, int64_t batch, int64_t tokens, int64_t width,
                             int64_t heads) {
  const int64_t a = width / heads;
  const T scale = T(1) / std::sqrt(static_cast<T>(a));
  parallel_for(batch * heads, [&](int64_t bh) {
    const int64_t b = bh / heads;
    const int64_t h = bh % heads;
    const auto x = matrix(qkv + b * tokens * 3 * width, tokens, 3 * width);
    const auto p = matrix(probs + bh * tokens * tokens, tokens, tokens);
    const auto dy_h = matrix(dy + b * tokens * width, tokens, width).middleCols(h * a, a);
    auto dx = matrix(dqkv + b * tokens * 3 * width, tokens, 3 * width);
    auto ds = matrix(dscores + bh * tokens * tokens, tokens, tokens);
    set_product<T>(dx.middleCols(2 * width + h * a, a), transposed<T>(p), dy_h);
    set_product<T>(ds, dy_h, transposed<T>(x.middleCols(2 * width + h * a, a)));
    softmax_rows_backward<T>(ds, p, T(1));
    set_product<T>(dx.middleCols(h * a, a), ds, x.middleCols(width + h * a, a), scale);
    set_product<T>(dx.middleCols(width + h * a, a), transposed<T>(ds), x.middleCols(h * a, a),
                   scale);
  });
  if (dbias == nullptr) return;
  // One thread sums a head's bias, over the batch in order.
  parallel_for(heads, [&](int64_t h) {
    for (int64_t b = 0; b < batch; ++b) {
      add_distances(dbias + h * (2 * tokens - 1), dscores + (b * heads + h) * tokens * tokens,
                    tokens);
    }
  });
}

/// The tiny attention: one head, no bias.
template <typename T>
void attention_forward(T* y, T* probs, const T* qkv, int64_t batch, int64_t tokens, int64_t d_attn,
                       bool causal) {
  head_attention_forward<T>(y, probs, qkv, nullptr, batch, tokens, d_attn, 1, causal);
}
template <typename T>
void attention_backward(T* dqkv, T* dscores, const T* dy, const T* probs, const T* qkv,
                        int64_t batch, int64_t tokens, int64_t d_attn) {
  head_attention_backward<T>(dqkv, nullptr, dscores, dy, probs, qkv, batch, tokens, d_attn, 1);
}

template <typename T>
void position_attention_forward(T* y, T* probs, const T* v, const T* bias, int64_t batch,
                                int64_t tokens, int64_t width, int64_t heads, bool causal) {
  const int64_t a = width / heads;
  parallel_for(heads, [&](int64_t h) {
    auto p = matrix(probs + h * tokens * tokens, tokens, tokens);
    const T* head_bias = bias + h * (2 * tokens - 1);
    for (int64_t i = 0; i < tokens; ++i) p.row(i) = distance_row(head_bias, i, tokens);
    softmax_rows(p, T(1), causal);
  });
  parallel_for(batch * heads, [&](int64_t bh) {
    const int64_t b = bh / heads;
    const int64_t h = bh % heads;
    const auto v_b = matrix(v + b * tokens * width, tokens, width);
    set_product<T>(matrix(y + b * tokens * width, tokens, width).middleCols(h * a, a),
                   matrix(probs + h * tokens * tokens, tokens, tokens), v_b.middleCols(h * a, a));
  });
}

template <typename T>
void position_attention_backward(T* dv, T* dbias, T* dscores, const T* dy, const T* probs,
                                 const T* v, int64_t batch, int64_t tokens, int64_t width,
                                 int64_t heads) {
  const int64_t a = width / heads;
  parallel_for(batch * heads, [&](int64_t bh) {
    const int64_t b = bh / heads;
    const int64_t h = bh % heads;
    const auto p = matrix(probs + h * tokens * tokens, tokens, tokens);
    const auto dy_b = matrix(dy + b * tokens * width, tokens, width);
    set_product<T>(matrix(dv + b * tokens * width, tokens, width).middleCols(h * a, a),
                   transposed<T>(p), dy_b.middleCols(h * a, a));
  });
  parallel_for(heads, [&](int64_t h) {
    auto ds = matrix(dscores + h * tokens * tokens, tokens, tokens);
    ds.setZero();
    for (int64_t b = 0; b < batch; ++b) {
      const auto v_b = matrix(v + b * tokens * width, tokens, width);
      const auto dy_b = matrix(dy + b * tokens * width, tokens, width);
      add_product<T>(ds, dy_b.middleCols(h * a, a), transposed<T>(v_b.middleCols(h * a, a)));
    }
    softmax_rows_backward<T>(ds, matrix(probs + h * tokens * tokens, tokens, tokens), T(1));
    add_distances(dbias + h * (2 * tokens - 1), dscores + h * tokens * tokens, tokens);
  });
}

}  // namespace gmlp::reference
