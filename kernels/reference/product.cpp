// Eigen's matrix product for all reference kernels (matrix.h).

#include <cassert>

#include "kernels/reference/matrix.h"

namespace gmlp::reference {

template <typename T>
void add_product(Place<T> c, const Factor<T>& a, const Factor<T>& b, T scale) {
  using View = Eigen::Map<const Matrix<T>, 0, Eigen::OuterStride<>>;
  const View left(a.data, a.rows, a.cols, Eigen::OuterStride<>(a.stride));
  const View right(b.data, b.rows, b.cols, Eigen::OuterStride<>(b.stride));
  assert(!a.is_transposed || !b.is_transposed);
  if (a.is_transposed) {
    c.noalias() += scale * left.transpose() * right;
  } else if (b.is_transposed) {
    c.noalias() += scale * left * right.transpose();
  } else {
    c.noalias() += scale * left * right;
  }
}

template <typename T>
void set_product(Place<T> c, const Factor<T>& a, const Factor<T>& b, T scale) {
  c.setZero();
  add_product<T>(c, a, b, scale);
}

template decltype(add_product<float>) add_product<float>;
template decltype(add_product<double>) add_product<double>;
template decltype(set_product<float>) set_product<float>;
template decltype(set_product<double>) set_product<double>;

}  // namespace gmlp::reference
