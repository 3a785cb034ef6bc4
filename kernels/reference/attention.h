#pragma once
// Attention of H heads over tokens (Vaswani et al. 2017), D = H A. With one head and no bias it is
// the tiny attention of aMLP (paper, section 4.3). The baselines of Table 3 add a learned bias per
// head and distance (T5's, without buckets), or attend by nothing but that bias.
//
//   forward    S_h[i,j] = q_h[i]·k_h[j] / √A + bias[h, (N-1) + (j-i)], bias (H, 2N-1) or nullptr
//              P_h = softmax over j of S_h        y_h = P_h v_h
//              q, k, v (N,D) are the thirds of each row of qkv (N,3D); columns h A to (h+1) A - 1
//              belong to head h
//              causal: S[i,j] = -inf for j > i
//              without content: no q and k, S is the bias alone, and a row of qkv is one of v (N,D)
//   backward   dv_h = P_hᵀ dy_h      dP_h = dy_h v_hᵀ      dS = P * (dP - sum_j dP * P)
//              dq_h = dS_h k_h / √A  dk_h = dS_hᵀ q_h / √A
//              dbias[h, (N-1) + (j-i)] += sum over the batch and that diagonal of dS_h
//
// Saved: P, H N² numbers per sample. dscores is workspace for dS (B,H,N,N).

#include <cmath>

#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

using fused::AttentionShape;

/// Head h's A columns of part `part` in sample b's rows of data (B,N,parts D).
template <typename T>
auto head_columns(T* data, int64_t parts, int64_t part, int64_t b, int64_t h,
                  const AttentionShape& shape) {
  const int64_t a = shape.width / shape.heads;
  return matrix(data + b * shape.tokens * parts * shape.width, shape.tokens, parts * shape.width)
      .middleCols(part * shape.width + h * a, a);
}

/// The biases of row i: the N numbers of bias (2N-1) that begin at (N-1) - i.
template <typename T>
auto distance_row(T* bias, int64_t i, int64_t tokens) {
  return row(bias + tokens - 1 - i, tokens);
}

/// Calls body(b, h) for each head of each sample.
template <typename Body>
void for_each_head(const AttentionShape& shape, const Body& body) {
  parallel_for(shape.batch * shape.heads,
               [&](int64_t i) { body(i / shape.heads, i % shape.heads); });
}

template <typename T>
void head_attention_forward(T* y, T* probs, const T* qkv, const T* bias,
                            const AttentionShape& shape) {
  const int64_t n = shape.tokens;
  const int64_t parts = shape.parts();
  const int64_t head_width = shape.width / shape.heads;
  const T scale = T(1) / std::sqrt(static_cast<T>(head_width));
  for_each_head(shape, [&](int64_t b, int64_t h) {
    auto p = matrix(probs + (b * shape.heads + h) * n * n, n, n);
    if (shape.content) {
      const auto k = head_columns(qkv, parts, 1, b, h, shape);
      set_product<T>(p, head_columns(qkv, parts, 0, b, h, shape), transposed<T>(k), scale);
    } else {
      p.setZero();
    }
    for (int64_t i = 0; bias != nullptr && i < n; ++i) {
      p.row(i) += distance_row(bias + h * (2 * n - 1), i, n);
    }
    softmax_rows(p, shape.causal);
    set_product<T>(head_columns(y, 1, 0, b, h, shape), p,
                   head_columns(qkv, parts, parts - 1, b, h, shape));
  });
}

template <typename T>
void head_attention_backward(T* dqkv, T* dbias, T* dscores, const T* dy, const T* probs,
                             const T* qkv, const AttentionShape& shape) {
  const int64_t n = shape.tokens;
  const int64_t parts = shape.parts();
  const int64_t head_width = shape.width / shape.heads;
  const T scale = T(1) / std::sqrt(static_cast<T>(head_width));
  for_each_head(shape, [&](int64_t b, int64_t h) {
    const int64_t offset = (b * shape.heads + h) * n * n;
    const auto p = matrix(probs + offset, n, n);
    const auto part_of = [&](auto* data, int64_t part) {
      return head_columns(data, parts, part, b, h, shape);
    };
    const auto dy_h = head_columns(dy, 1, 0, b, h, shape);
    auto ds = matrix(dscores + offset, n, n);
    set_product<T>(part_of(dqkv, parts - 1), transposed<T>(p), dy_h);
    set_product<T>(ds, dy_h, transposed<T>(part_of(qkv, parts - 1)));
    softmax_rows_backward(ds, p);
    if (!shape.content) return;
    set_product<T>(part_of(dqkv, 0), ds, part_of(qkv, 1), scale);
    set_product<T>(part_of(dqkv, 1), transposed<T>(ds), part_of(qkv, 0), scale);
  });
  if (dbias == nullptr) return;
  // One thread owns a head's bias and adds the samples in order.
  parallel_for(shape.heads, [&](int64_t h) {
    for (int64_t b = 0; b < shape.batch; ++b) {
      const T* ds = dscores + (b * shape.heads + h) * n * n;
      for (int64_t i = 0; i < n; ++i) {
        distance_row(dbias + h * (2 * n - 1), i, n) += row(ds + i * n, n);
      }
    }
  });
}

}  // namespace gmlp::reference
