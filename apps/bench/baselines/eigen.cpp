// Eigen: one expression, at the widest vectors that it was compiled for and this processor runs.

#include <Eigen/src/Core/util/Macros.h>  // the version only
#include <fmt/format.h>

#include "apps/bench/baselines/libraries.h"
#include "core/parallel.h"

namespace gmlp {

// eigen_product.cpp, once for each instruction set that CMake names.
#if defined(GMLP_EIGEN_AVX512)
void eigen_product_avx512(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k,
                          int threads);
#endif
#if defined(GMLP_EIGEN_AVX2)
void eigen_product_avx2(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k,
                        int threads);
#endif
void eigen_product_baseline(float* c, const float* a, const float* b, int64_t m, int64_t n,
                            int64_t k, int threads);

namespace {

struct Variant {
  const char* name;
  void (*run)(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k,
              int threads);
};

/// The widest that this processor runs.
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

class EigenProduct : public Prepared {
 public:
  explicit EigenProduct(const Product& product)
      : product_(product), c_(Tensor::zeros(DType::kF32, {product.m, product.n})) {}
  void run() override {
    best_variant().run(c_.data<float>(), product_.a.data<float>(), product_.b.data<float>(),
                       product_.m, product_.n, product_.k, thread_count());
  }
  Tensor result() const override { return c_; }

 private:
  Product product_;
  Tensor c_;
};

}  // namespace

Baseline eigen_yardstick() {
  const std::string detail = fmt::format("{}.{}.{}, {}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                                         EIGEN_MINOR_VERSION, best_variant().name);
  return {"Eigen", detail, "#8a9a5b", [](const Product& product) -> std::unique_ptr<Prepared> {
            if (product.bf16 || product.gelu) return nullptr;
            return std::make_unique<EigenProduct>(product);
          }};
}

}  // namespace gmlp
