// Eigen's product for `gmlp-bench kernels`, compiled once per instruction set as the fused kernels
// are: Eigen chooses its vectors when it is compiled.

// The macro gives each copy of Eigen a namespace of its own, so that none replaces the copy in the
// reference kernels.
#define GMLP_JOINED(a, b) a##b
#define GMLP_OF_ISA(name, isa) GMLP_JOINED(name, isa)
#define Eigen GMLP_OF_ISA(eigen_, GMLP_ISA)

#include <Eigen/Core>
#include <cstdint>

namespace gmlp {

/// C (m,n) = A (m,k) Wᵀ, W (n,k), row-major, on all threads. products.cpp declares it.
void GMLP_OF_ISA(eigen_product_, GMLP_ISA)(float* c, const float* a, const float* weight, int64_t m,
                                           int64_t n, int64_t k) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  Eigen::Map<Matrix>(c, m, n).noalias() =
      Eigen::Map<const Matrix>(a, m, k) * Eigen::Map<const Matrix>(weight, n, k).transpose();
}

}  // namespace gmlp
