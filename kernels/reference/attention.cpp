// The tiny attention of aMLP (paper, section 4.3): one head, no mask on padding, no position bias.
//
//   forward    S = q kᵀ / √A        P = softmax over j of S        y = P v
//              q, k, v (N,A) are the three thirds of each row of qkv (N,3A); P (N,N); y (N,A)
//              causal: S[i,j] = -inf for j > i
//   backward   dv = Pᵀ dy        dP = dy vᵀ        dS = P * (dP - sum_j dP * P)
//              dq = dS k / √A    dk = dSᵀ q / √A
//
// Saved: P, N² numbers a sample. dprobs is room for dP and dS (B,N,N).

#include <cmath>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"
#include "kernels/reference/reference.h"

namespace gmlp::reference {

template <typename T>
void attention_forward(T* y, T* probs, const T* qkv, int64_t batch, int64_t tokens, int64_t d_attn,
                       bool causal) {
  const T scale = T(1) / std::sqrt(static_cast<T>(d_attn));
  parallel_for(batch, [&](int64_t b) {
    const auto x = matrix(qkv + b * tokens * 3 * d_attn, tokens, 3 * d_attn);
    auto p = matrix(probs + b * tokens * tokens, tokens, tokens);
    set_product<T>(p, x.leftCols(d_attn), transposed<T>(x.middleCols(d_attn, d_attn)));
    softmax_rows(p, scale, causal);
    set_product<T>(matrix(y + b * tokens * d_attn, tokens, d_attn), p, x.rightCols(d_attn));
  });
}

template <typename T>
void attention_backward(T* dqkv, T* dprobs, const T* dy, const T* probs, const T* qkv,
                        int64_t batch, int64_t tokens, int64_t d_attn) {
  const T scale = T(1) / std::sqrt(static_cast<T>(d_attn));
  parallel_for(batch, [&](int64_t b) {
    const auto x = matrix(qkv + b * tokens * 3 * d_attn, tokens, 3 * d_attn);
    const auto p = matrix(probs + b * tokens * tokens, tokens, tokens);
    const auto dy_b = matrix(dy + b * tokens * d_attn, tokens, d_attn);
    auto dx = matrix(dqkv + b * tokens * 3 * d_attn, tokens, 3 * d_attn);
    auto ds = matrix(dprobs + b * tokens * tokens, tokens, tokens);
    set_product<T>(dx.rightCols(d_attn), transposed<T>(p), dy_b);
    set_product<T>(ds, dy_b, transposed<T>(x.rightCols(d_attn)));
    softmax_rows_backward(ds, p, scale);
    set_product<T>(dx.leftCols(d_attn), ds, x.middleCols(d_attn, d_attn));
    set_product<T>(dx.middleCols(d_attn, d_attn), transposed<T>(ds), x.leftCols(d_attn));
  });
}

template void attention_forward(float*, float*, const float*, int64_t, int64_t, int64_t, bool);
template void attention_forward(double*, double*, const double*, int64_t, int64_t, int64_t, bool);
template void attention_backward(float*, float*, const float*, const float*, const float*, int64_t,
                                 int64_t, int64_t);
template void attention_backward(double*, double*, const double*, const double*, const double*,
                                 int64_t, int64_t, int64_t);

}  // namespace gmlp::reference
