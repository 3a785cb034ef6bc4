// Eigen: one expression, compiled for the widest vectors that this processor runs.

#include <Eigen/src/Core/util/Macros.h>  // the version only
#include <fmt/format.h>

#include "apps/bench/baselines/baseline.h"
#include "core/parallel.h"

namespace gmlp {

/// C (m,n) = A (m,k) B (k,n). eigen_product.cpp defines one per instruction set that CMake names.
using EigenProduct = void(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k,
                          int threads);
EigenProduct eigen_product_baseline, eigen_product_avx2, eigen_product_avx512;

namespace {

struct Variant {
  const char* name;
  EigenProduct* run;
};

Variant best_variant() {
#if defined(GMLP_EIGEN_AVX512)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("fma")) {
    return {"avx512", eigen_product_avx512};
  }
#endif
#if defined(GMLP_EIGEN_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return {"avx2", eigen_product_avx2};
  }
#endif
  return {"baseline", eigen_product_baseline};
}

Contender prepare_eigen(const Product& p) {
  if (p.bf16 || p.gelu) return {};
  const Tensor c = Tensor::zeros(DType::kF32, {p.m, p.n});
  const auto run = [p, c, variant = best_variant()] {
    variant.run(floats(c), floats(p.a), floats(p.b), p.m, p.n, p.k, thread_count());
  };
  return {"", run, [c] { return c; }};
}

}  // namespace

Baseline eigen_baseline() {
  const std::string detail = fmt::format("{}.{}.{}, {}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                                         EIGEN_MINOR_VERSION, best_variant().name);
  return {"Eigen", detail, prepare_eigen};
}

}  // namespace gmlp
