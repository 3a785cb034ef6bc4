// Eigen's matrix product, for all reference kernels: see matrix.h.

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

template void add_product(Place<float>, const Factor<float>&, const Factor<float>&, float);
template void add_product(Place<double>, const Factor<double>&, const Factor<double>&, double);
template void set_product(Place<float>, const Factor<float>&, const Factor<float>&, float);
template void set_product(Place<double>, const Factor<double>&, const Factor<double>&, double);

}  // namespace gmlp::reference
