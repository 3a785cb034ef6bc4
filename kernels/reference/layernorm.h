#pragma once
// Layer normalization over the last dimension.
//
//   forward    x̂ = (x - mean) * rstd      y = x̂ * gamma + beta        x, y (R,D); gamma, beta (D)
//              mean = sum_d x / D          rstd = 1 / sqrt(sum_d (x - mean)² / D + eps)
//   backward   dgamma += sum_r dy * x̂      dbeta += sum_r dy
//              dx = rstd * (g - mean_d(g) - x̂ * mean_d(g * x̂))   with g = dy * gamma
//              (the two means are the paths through `mean` and `rstd`)
//
// Saved: mean and rstd, two numbers per row; x̂ is recomputed from x.

#include <cmath>

#include "core/parallel.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void layernorm_forward(T* y, T* mean, T* rstd, const T* x, const T* gamma, const T* beta,
                       int64_t rows, int64_t cols, double eps) {
  for_each_row(rows, [&](int64_t r) {
    const auto x_row = row(x + r * cols, cols).array();
    // Eigen starts the sum of an array at an aligned address, but the sum of an expression at its
    // first element. An expression gives a row the same bits at any place in a batch.
    mean[r] = (x_row + T(0)).mean();
    const T variance = (x_row - mean[r]).square().mean();
    rstd[r] = T(1) / std::sqrt(variance + static_cast<T>(eps));
    row(y + r * cols, cols).array() =
        (x_row - mean[r]) * rstd[r] * row(gamma, cols).array() + row(beta, cols).array();
  });
}

template <typename T>
void layernorm_backward(T* dx, T* dgamma, T* dbeta, const T* dy, const T* x, const T* mean,
                        const T* rstd, const T* gamma, int64_t rows, int64_t cols) {
  for_each_row(rows, [&](int64_t r) {
    const auto x_hat = (row(x + r * cols, cols).array() - mean[r]) * rstd[r];
    const auto g = row(dy + r * cols, cols).array() * row(gamma, cols).array();
    const T g_mean = g.mean();
    const T g_dot = (g * x_hat).mean();
    row(dx + r * cols, cols).array() = rstd[r] * (g - g_mean - x_hat * g_dot);
  });
  // Threads share the columns, so that one thread computes each sum over rows, in order.
  parallel_ranges(cols, kRowChunk, [&](int64_t begin, int64_t end) {
    const int64_t n = end - begin;
    for (int64_t r = 0; r < rows; ++r) {
      const auto dy_part = row(dy + r * cols + begin, n).array();
      const auto x_part = row(x + r * cols + begin, n).array();
      row(dgamma + begin, n).array() += dy_part * ((x_part - mean[r]) * rstd[r]);
      row(dbeta + begin, n).array() += dy_part;
    }
  });
}

}  // namespace gmlp::reference
