// Eigen's matrix product, compiled once per vector width. The macro `Eigen` gives each copy its own
// namespace, so that none replaces the copy in the reference kernels.

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
