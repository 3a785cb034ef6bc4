#pragma once
// Layer normalization row by row, in the pieces that the fused kernels run before and after a GEMM.
//
//   forward    x̂ = (x - mean) * rstd        y = x̂ * gamma + beta
//   backward   g = dy * gamma               dx = rstd * (g - mean(g) - x̂ * mean(g * x̂))
//              dgamma += dy * x̂             dbeta += dy

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

struct RowStats {
  float mean;
  float rstd;
};

/// The sum of add(sums, c, count) over a row, 16 columns per call, in four independent sums that
/// hide the latency of an addition.
template <typename Add>
GMLP_INLINE float sum_over(int64_t cols, const Add& add) {
  F32x16 part[4] = {zero(), zero(), zero(), zero()};
  int64_t c = 0;
  for (; c + 4 * kLanes <= cols; c += 4 * kLanes) {
    for (int64_t i = 0; i < 4; ++i) part[i] = add(part[i], c + i * kLanes, kLanes);
  }
  for (; c < cols; c += kLanes) part[0] = add(part[0], c, min(kLanes, cols - c));
  return sum((part[0] + part[1]) + (part[2] + part[3]));
}

/// x - mean in the first `count` lanes, else 0.
GMLP_INLINE F32x16 centered(F32x16 x, float mean, int64_t count) {
  const F32x16 difference = x - set1(mean);
  if (__builtin_expect(count == kLanes, 1)) return difference;
  alignas(64) float lanes[kLanes];  // cheaper than masks on both sides
  store(lanes, difference);
  return load(lanes, count);
}
GMLP_INLINE float rstd_of(float squares, int64_t cols, float eps) {
  return 1.0f / __builtin_sqrtf(squares / static_cast<float>(cols) + eps);
}

/// Two passes over a row in the cache: the mean, then the squared distances from it.
template <typename T>
GMLP_INLINE RowStats row_stats(const T* x, int64_t cols, float eps) {
  const float total = sum_over(
      cols, [&](F32x16 sums, int64_t c, int64_t count) { return sums + load(x + c, count); });
  const float mean = total / static_cast<float>(cols);
  const float squares = sum_over(cols, [&](F32x16 sums, int64_t c, int64_t count) {
    const F32x16 d = centered(load(x + c, count), mean, count);
    return fma(d, d, sums);
  });
  return {mean, rstd_of(squares, cols, eps)};
}

/// 16 columns of y = x̂ gamma + beta.
GMLP_INLINE F32x16 normalize(F32x16 x, RowStats stats, F32x16 gamma, F32x16 beta) {
  return fma((x - set1(stats.mean)) * set1(stats.rstd), gamma, beta);
}

/// y = x̂ gamma + beta and the statistics of kRows rows of x (.,cols), which share the loads of
/// gamma and beta and hide the latency of each other's sums.
template <int kRows, typename T>
GMLP_INLINE void normalize_together(T* y, int64_t y_stride, float* mean, float* rstd,
                                    const float* x, const float* gamma, const float* beta,
                                    int64_t cols, float eps) {
  F32x16 sums[kRows];
  for (int i = 0; i < kRows; ++i) sums[i] = zero();
  for_each_vector(
      cols, [&](int64_t c, int64_t count) __attribute__((always_inline)) {
        for (int i = 0; i < kRows; ++i) sums[i] = sums[i] + load(x + i * cols + c, count);
      });
  for (int i = 0; i < kRows; ++i) {
    mean[i] = sum(sums[i]) / static_cast<float>(cols);
    sums[i] = zero();
  }
  for_each_vector(
      cols, [&](int64_t c, int64_t count) __attribute__((always_inline)) {
        for (int i = 0; i < kRows; ++i) {
          const F32x16 d = centered(load(x + i * cols + c, count), mean[i], count);
          sums[i] = fma(d, d, sums[i]);
        }
      });
  RowStats stats[kRows];
  for (int i = 0; i < kRows; ++i) {
    rstd[i] = rstd_of(sum(sums[i]), cols, eps);
    stats[i] = {mean[i], rstd[i]};
  }
  for_each_vector(
      cols, [&](int64_t c, int64_t count) __attribute__((always_inline)) {
        const F32x16 gamma_c = load(gamma + c, count);
        const F32x16 beta_c = load(beta + c, count);
        for (int i = 0; i < kRows; ++i) {
          const F32x16 x_c = load(x + i * cols + c, count);
          store(y + i * y_stride + c, normalize(x_c, stats[i], gamma_c, beta_c), count);
        }
      });
}

/// The same of any number of rows.
template <typename T>
GMLP_INLINE void normalize_rows(T* y, int64_t y_stride, float* mean, float* rstd, const float* x,
                                const float* gamma, const float* beta, int64_t rows, int64_t cols,
                                float eps) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    normalize_together<4>(y + r * y_stride, y_stride, mean + r, rstd + r, x + r * cols, gamma, beta,
                          cols, eps);
  }
  for (; r < rows; ++r) {
    normalize_together<1>(y + r * y_stride, y_stride, mean + r, rstd + r, x + r * cols, gamma, beta,
                          cols, eps);
  }
}

/// The two means over a row that the backward subtracts. Adds the row's share of dgamma and dbeta.
struct RowMeans {
  float g;      // mean(g)
  float g_dot;  // mean(g * x̂)
};
template <typename T>
GMLP_INLINE RowMeans norm_backward_means(float* dgamma, float* dbeta, const T* dy, const float* x,
                                         RowStats stats, const float* gamma, int64_t cols) {
  F32x16 total = zero();
  F32x16 dot = zero();
  for (int64_t c = 0; c < cols; c += kLanes) {
    const int64_t count = min(kLanes, cols - c);
    const F32x16 dy_c = load(dy + c, count);  // 0 beyond the row, like every product with it
    const F32x16 x_hat = (load(x + c, count) - set1(stats.mean)) * set1(stats.rstd);
    const F32x16 g = dy_c * load(gamma + c, count);
    total = total + g;
    dot = fma(g, x_hat, dot);
    store(dgamma + c, fma(dy_c, x_hat, load(dgamma + c, count)), count);
    store(dbeta + c, load(dbeta + c, count) + dy_c, count);
  }
  const float n = static_cast<float>(cols);
  return {sum(total) / n, sum(dot) / n};
}

/// 16 columns of dx.
GMLP_INLINE F32x16 norm_backward(F32x16 dy, F32x16 x, RowStats stats, RowMeans means,
                                 F32x16 gamma) {
  const F32x16 x_hat = (x - set1(stats.mean)) * set1(stats.rstd);
  const F32x16 centered = dy * gamma - set1(means.g) - x_hat * set1(means.g_dot);
  return centered * set1(stats.rstd);
}

/// dx of rows [r0, r1), plus `shortcut` unless that is nullptr. `sums`: their dgamma and dbeta.
GMLP_INLINE void norm_backward_rows(float* dx, float* sums, const float* dy, const float* x,
                                    const float* mean, const float* rstd, const float* gamma,
                                    const float* shortcut, int64_t r0, int64_t r1, int64_t cols) {
  for (int64_t c = 0; c < 2 * cols; ++c) sums[c] = 0;
  for (int64_t r = r0; r < r1; ++r) {
    const RowStats stats{mean[r], rstd[r]};
    const int64_t row = r * cols;
    const RowMeans means =
        norm_backward_means(sums, sums + cols, dy + row, x + row, stats, gamma, cols);
    for (int64_t c = 0; c < cols; c += kLanes) {
      const int64_t count = min(kLanes, cols - c);
      const F32x16 branch = norm_backward(load(dy + row + c, count), load(x + row + c, count),
                                          stats, means, load(gamma + c, count));
      store(dx + row + c, shortcut == nullptr ? branch : load(shortcut + row + c, count) + branch,
            count);
    }
  }
}

/// Adds the sums of all row tasks, [task][2][cols], to dgamma and dbeta, in order.
GMLP_INLINE void add_norm_sums(float* dgamma, float* dbeta, const float* sums, int64_t tasks,
                               int64_t cols) {
  for (int64_t task = 0; task < tasks; ++task) {
    const float* partial = sums + task * 2 * cols;
    for (int64_t c = 0; c < cols; c += kLanes) {
      const int64_t count = min(kLanes, cols - c);
      store(dgamma + c, load(dgamma + c, count) + load(partial + c, count), count);
      store(dbeta + c, load(dbeta + c, count) + load(partial + cols + c, count), count);
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
