// Eigen's matrix product, compiled once for each of its vector widths. `Eigen` is a macro here, so
// that each copy has a namespace of its own and none replaces the reference kernels' baseline copy.

#define Eigen GMLP_EIGEN_NAMESPACE

#include <Eigen/Core>
#include <cstdint>

namespace gmlp {

void GMLP_EIGEN_PRODUCT(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k,
                        int threads) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::setNbThreads(threads);
  Eigen::Map<Matrix>(c, m, n).noalias() =
      Eigen::Map<const Matrix>(a, m, k) * Eigen::Map<const Matrix>(b, k, n);
}

}  // namespace gmlp
