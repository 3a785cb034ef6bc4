#pragma once
// Row-major Eigen matrices over raw pointers, their products, and softmax.

#define EIGEN_DONT_PARALLELIZE  // parallel_for does, over ranges that the problem fixes
#include <Eigen/Core>
#include <cmath>
#include <cstdint>

#include "core/parallel.h"

namespace gmlp::reference {

template <typename T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename T>
using Row = Eigen::Matrix<T, 1, Eigen::Dynamic>;

template <typename T>
Eigen::Map<Matrix<T>> matrix(T* data, int64_t rows, int64_t cols) {
  return Eigen::Map<Matrix<T>>(data, rows, cols);
}
template <typename T>
Eigen::Map<const Matrix<T>> matrix(const T* data, int64_t rows, int64_t cols) {
  return Eigen::Map<const Matrix<T>>(data, rows, cols);
}
template <typename T>
Eigen::Map<Row<T>> row(T* data, int64_t cols) {
  return Eigen::Map<Row<T>>(data, cols);
}
template <typename T>
Eigen::Map<const Row<T>> row(const T* data, int64_t cols) {
  return Eigen::Map<const Row<T>>(data, cols);
}

/// B samples of N tokens, each of `width` numbers.
struct TokenShape {
  int64_t batch;
  int64_t tokens;
  int64_t width;
};
/// Sample b of x (B,N,width).
template <typename T>
auto sample(T* x, int64_t b, const TokenShape& shape) {
  return matrix(x + b * shape.tokens * shape.width, shape.tokens, shape.width);
}

/// A factor of a product: a matrix or its transpose.
template <typename T>
struct Factor {
  template <typename M>
  Factor(const M& m)  // NOLINT: implicit, so that a product is written with matrices
      : data(m.data()), rows(m.rows()), cols(m.cols()), stride(m.outerStride()) {}
  const T* data;
  int64_t rows;
  int64_t cols;
  int64_t stride;  // from row to row
  bool is_transposed = false;
};
template <typename T, typename M>
Factor<T> transposed(const M& m) {
  Factor<T> factor(m);
  factor.is_transposed = true;
  return factor;
}
/// The result of a product. It shares no element with the factors.
template <typename T>
using Output = Eigen::Ref<Matrix<T>, 0, Eigen::OuterStride<>>;

/// C += scale A B, and C = scale A B; one of A and B may be transposed. Compiled once in
/// product.cpp, because Eigen's product takes longer to compile than the rest of an op.
template <typename T>
void add_product(Output<T> c, const Factor<T>& a, const Factor<T>& b, T scale = T(1));
template <typename T>
void set_product(Output<T> c, const Factor<T>& a, const Factor<T>& b, T scale = T(1));

/// p = softmax(z) without overflow; p may be z. Returns log sum exp(z).
template <typename T, typename P, typename Z>
T softmax_row(P p, const Z& z) {
  const T top = z.maxCoeff();
  p = (z - top).exp();
  const T sum = (p + T(0)).sum();  // an expression's sum: see layernorm.h
  p /= sum;
  return top + std::log(sum);
}

/// P = softmax over each row of S, in place; causal rows see j <= i. Eigen exponentiates in
/// an order that depends on the address, so each row is copied to an aligned one: a sample has the
/// same bits at any place in a batch.
template <typename T>
void softmax_rows(Eigen::Map<Matrix<T>>& p, bool causal) {
  Row<T> aligned(p.cols());
  for (int64_t i = 0; i < p.rows(); ++i) {
    const int64_t seen = causal ? i + 1 : p.cols();
    auto s = aligned.head(seen).array();
    s = p.row(i).head(seen).array();
    softmax_row<T>(s, s);
    p.row(i).head(seen) = aligned.head(seen);
    p.row(i).tail(p.cols() - seen).setZero();
  }
}

/// dS from dP, in place. P is 0 where the causal mask was, and so is dS.
template <typename T>
void softmax_rows_backward(Eigen::Map<Matrix<T>>& ds, const Eigen::Map<const Matrix<T>>& p) {
  for (int64_t i = 0; i < p.rows(); ++i) {
    const T dot = ds.row(i).dot(p.row(i));
    ds.row(i).array() = p.row(i).array() * (ds.row(i).array() - dot);
  }
}

// Rows, and elements, that a thread works on at a time.
constexpr int64_t kRowChunk = 64;
constexpr int64_t kElementChunk = 1 << 14;

/// Calls body(i) for each of n elements.
template <typename Body>
void for_each_element(int64_t n, const Body& body) {
  parallel_ranges(n, kElementChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i);
  });
}
/// Calls body(r) for each row.
template <typename Body>
void for_each_row(int64_t rows, const Body& body) {
  parallel_ranges(rows, kRowChunk, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) body(r);
  });
}

}  // namespace gmlp::reference
