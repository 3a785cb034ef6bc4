#pragma once
// Eigen's view of our memory: row-major matrices over raw pointers, and their products.

#define EIGEN_DONT_PARALLELIZE  // threads are ours: parallel_for over chunks that the problem fixes
#include <Eigen/Core>
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

/// A factor of a product: a matrix over our memory, or its transpose.
template <typename T>
struct Factor {
  template <typename M>
  Factor(const M& m)  // NOLINT: a factor is written as the matrix that it is
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
/// The output of a product. It shares no element with the factors.
template <typename T>
using Output = Eigen::Ref<Matrix<T>, 0, Eigen::OuterStride<>>;

/// C += scale A B, and C = scale A B; one of A and B may be transposed. Only matrix.cpp compiles
/// Eigen's product, which takes the compiler longer than the rest of an op.
template <typename T>
void add_product(Output<T> c, const Factor<T>& a, const Factor<T>& b, T scale = T(1));
template <typename T>
void set_product(Output<T> c, const Factor<T>& a, const Factor<T>& b, T scale = T(1));

// What one thread works on at once: constants, so that the number of threads changes no bits.
constexpr int64_t kRowChunk = 64;  // rows of activations, or of a weight
constexpr int64_t kElementChunk = 1 << 14;

/// Calls body(r) for every row.
template <typename Body>
void for_each_row(int64_t rows, const Body& body) {
  parallel_ranges(rows, kRowChunk, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) body(r);
  });
}

/// Compiles a kernel for both element types.
#define GMLP_INSTANTIATE(kernel)                  \
  template decltype(kernel<float>) kernel<float>; \
  template decltype(kernel<double>) kernel<double>

}  // namespace gmlp::reference
