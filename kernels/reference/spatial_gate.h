#pragma once
// The spatial projection f of the gating unit (paper, equation 2): a linear map over tokens that
// all channels share. The gate itself, u * f(v) and its variants, is a product or a sum of two
// tensors.
//
//   forward    y[b,i,e] = sum_j W[i,j] x[b,j,e] + bias[i]     x, y (B,N,E), W (N,N), bias (N)
//   backward   dx[b] = Wᵀ dy[b]       dW += sum_b dy[b] x[b]ᵀ       dbias[i] += sum_b,e dy[b,i,e]
//
// Stored forms of W: all N x N weights; or Toeplitz (the paper's language models), 2N-1 weights w
// with W[i,j] = w[(N-1) + (j-i)]. Causal drops j > i, so no token sees a later one.
//
// Saved: x.

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void spatial_project_forward(T* y, const T* x, const T* weight, const T* bias,
                             const TokenShape& shape) {
  const auto w = matrix(weight, shape.tokens, shape.tokens);
  parallel_for(shape.batch, [&](int64_t b) {
    auto y_b = sample(y, b, shape);
    set_product<T>(y_b, w, sample(x, b, shape));
    y_b.colwise() += row(bias, shape.tokens).transpose();
  });
}

template <typename T>
void spatial_project_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* weight,
                              const TokenShape& shape) {
  const auto w = matrix(weight, shape.tokens, shape.tokens);
  parallel_for(shape.batch, [&](int64_t b) {
    set_product<T>(sample(dx, b, shape), transposed<T>(w), sample(dy, b, shape));
  });
  // One thread owns a range of W's rows and adds the samples in order.
  parallel_ranges(shape.tokens, kRowChunk, [&](int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    for (int64_t b = 0; b < shape.batch; ++b) {
      const auto dy_rows = sample(dy, b, shape).middleRows(begin, n);
      add_product<T>(matrix(dweight + begin * shape.tokens, n, shape.tokens), dy_rows,
                     transposed<T>(sample(x, b, shape)));
      row(dbias + begin, n).transpose() += dy_rows.rowwise().sum();
    }
  });
}

template <typename T>
void spatial_weight_expand(T* dense, const T* stored, int64_t tokens, bool toeplitz, bool causal) {
  for (int64_t i = 0; i < tokens; ++i) {
    for (int64_t j = 0; j < tokens; ++j) {
      const int64_t index = toeplitz ? (tokens - 1) + (j - i) : i * tokens + j;
      dense[i * tokens + j] = causal && j > i ? T(0) : stored[index];
    }
  }
}

template <typename T>
void spatial_weight_expand_backward(T* dstored, const T* ddense, int64_t tokens, bool toeplitz,
                                    bool causal) {
  for (int64_t i = 0; i < tokens; ++i) {
    for (int64_t j = 0; j < tokens; ++j) {
      const int64_t index = toeplitz ? (tokens - 1) + (j - i) : i * tokens + j;
      if (!causal || j <= i) dstored[index] += ddense[i * tokens + j];
    }
  }
}

}  // namespace gmlp::reference
