#pragma once
// Softmax cross-entropy of a projection, without the projection: M rows of x that are scored, each
// with one id out of a vocabulary of V. Language models score against their embedding table (tied)
// or a table of their own.
//
//   forward    z = x Tᵀ + b                                  x (M,D), T (V,D), b (V) or nullptr
//              top = max_v z        sum = sum_v exp(z - top)
//              loss[r] = log(sum[r]) + (top[r] - z[r,ids[r]])
//   backward   p = exp(z - top) / sum        dz = dloss (p - onehot(ids))
//              dx = dz T        dT += dzᵀ x        db += sum_r dz[r,:]
//
// z (M,V) never exists: at V = 30,000 it would be larger than the rest of a small model's step. It
// is computed and dropped in tiles of kLossRows x kLossCols, in the forward from left to right
// with a running top and sum,
//
//   top' = max(top, max_tile z)     sum' = sum exp(top - top') + sum_tile exp(z - top')
//
// and once more in the backward. Saved: top and sum, two numbers per row. Not their logsumexp = top
// + log(sum): logits of 1e4 in f32 would round that, and with it every p, by a thousandth.

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "kernels/reference/linear.h"
#include "kernels/reference/matrix.h"

namespace gmlp::reference {

constexpr int64_t kLossRows = 1024;
constexpr int64_t kLossCols = 1024;

/// Calls body(r0, rows, c0, cols) for each tile of (M,V): one band of rows after the other, each
/// from left to right. Every sum over tiles has this order.
template <typename Body>
void each_tile(int64_t rows, int64_t vocab, const Body& body) {
  for (int64_t r0 = 0; r0 < rows; r0 += kLossRows) {
    for (int64_t c0 = 0; c0 < vocab; c0 += kLossCols) {
      body(r0, std::min(kLossRows, rows - r0), c0, std::min(kLossCols, vocab - c0));
    }
  }
}

template <typename T>
T* at_or_null(T* data, int64_t offset) {
  return data == nullptr ? nullptr : data + offset;
}

/// Numbers of `z_tile`.
inline int64_t linear_cross_entropy_room(int64_t rows, int64_t vocab) {
  return std::min(kLossRows, rows) * std::min(kLossCols, vocab);
}

template <typename T>
void linear_cross_entropy_forward(T* loss_rows, T* top, T* sum, const T* x, const T* table,
                                  const T* bias, const int64_t* ids, T* z_tile, int64_t rows,
                                  int64_t width, int64_t vocab) {
  std::fill(top, top + rows, -std::numeric_limits<T>::infinity());
  std::fill(sum, sum + rows, T(0));
  each_tile(rows, vocab, [&](int64_t r0, int64_t tile_rows, int64_t c0, int64_t cols) {
    linear_forward(z_tile, x + r0 * width, table + c0 * width, at_or_null(bias, c0), tile_rows,
                   width, cols);
    parallel_ranges(tile_rows, kRowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto z = row(static_cast<const T*>(z_tile) + i * cols, cols).array();
        const int64_t r = r0 + i;
        const T before = top[r];
        top[r] = std::max(before, z.maxCoeff());
        sum[r] = sum[r] * std::exp(before - top[r]) + (z - top[r]).exp().sum();
        // Until the end of the row loss_rows holds the target's logit.
        if (ids[r] >= c0 && ids[r] < c0 + cols) loss_rows[r] = z[ids[r] - c0];
      }
    });
  });
  for (int64_t r = 0; r < rows; ++r) loss_rows[r] = std::log(sum[r]) + (top[r] - loss_rows[r]);
}

template <typename T>
void linear_cross_entropy_backward(T* dx, T* dtable, T* dbias, double dloss, const T* top,
                                   const T* sum, const T* x, const T* table, const T* bias,
                                   const int64_t* ids, T* z_tile, int64_t rows, int64_t width,
                                   int64_t vocab) {
  const T factor = static_cast<T>(dloss);
  each_tile(rows, vocab, [&](int64_t r0, int64_t tile_rows, int64_t c0, int64_t cols) {
    linear_forward(z_tile, x + r0 * width, table + c0 * width, at_or_null(bias, c0), tile_rows,
                   width, cols);
    parallel_ranges(tile_rows, kRowChunk, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t r = r0 + i;
        auto dz = row(z_tile + i * cols, cols);  // in place of z
        dz.array() = (dz.array() - top[r]).exp() * (factor / sum[r]);
        if (ids[r] >= c0 && ids[r] < c0 + cols) dz[ids[r] - c0] -= factor;
      }
      if (dx != nullptr) {
        auto dx_rows = matrix(dx + (r0 + begin) * width, end - begin, width);
        if (c0 == 0) dx_rows.setZero();
        add_product<T>(dx_rows, matrix(z_tile + begin * cols, end - begin, cols),
                       matrix(table + c0 * width, cols, width));
      }
    });
    linear_backward(static_cast<T*>(nullptr), dtable + c0 * width, at_or_null(dbias, c0), z_tile,
                    x + r0 * width, table + c0 * width, tile_rows, width, cols);
  });
}

}  // namespace gmlp::reference
