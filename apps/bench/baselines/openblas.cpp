// OpenBLAS: cblas_sgemm, which packs both operands in each call. It chooses its kernels for the
// processor, unless OPENBLAS_CORETYPE is set; the table's head names them.
#include <set>
#include <string>

#include <cblas.h>
#include <fmt/format.h>

#include "apps/bench/baselines/libraries.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

class OpenBlasProduct : public Prepared {
 public:
  explicit OpenBlasProduct(const Product& product)
      : product_(product), c_(Tensor::zeros(DType::kF32, {product.m, product.n})) {
    openblas_set_num_threads(thread_count());
  }
  void run() override {
    const Product& p = product_;
    const blasint m = static_cast<blasint>(p.m);
    const blasint n = static_cast<blasint>(p.n);
    const blasint k = static_cast<blasint>(p.k);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, p.a.data<float>(), k,
                p.b.data<float>(), n, 0.0F, c_.data<float>(), n);
  }
  Tensor result() const override { return c_; }

 private:
  Product product_;
  Tensor c_;
};

/// "OpenBLAS 0.3.21 ..." -> "0.3.21"
std::string version() {
  const std::string config = openblas_get_config();
  const size_t begin = config.find(' ') + 1;
  return config.substr(begin, config.find(' ', begin) - begin);
}

const char* threads_kind() {
  switch (openblas_get_parallel()) {
    case 0:
      return "one thread";
    case 1:
      return "its own threads";
    default:
      return "OpenMP";
  }
}

/// Whether it does not know this processor and fell back to kernels without AVX2.
bool is_outdated(const std::string& kernels) {
  static const std::set<std::string> kWithoutAvx2 = {
      "Prescott", "Core2",     "Penryn",      "Dunnington", "Nehalem",     "Atom",     "Opteron",
      "Athlon",   "Barcelona", "Sandybridge", "Bulldozer",  "Steamroller", "Excavator"};
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0 && kWithoutAvx2.contains(kernels);
#else
  return false;
#endif
}

}  // namespace

Baseline openblas_yardstick() {
  const bool outdated = is_outdated(openblas_get_corename());
  const std::string detail = fmt::format(
      "{}, {} kernels, {}{}", version(), openblas_get_corename(), threads_kind(),
      outdated ? " (left out: they do not use AVX2; set OPENBLAS_CORETYPE=Haswell or SkylakeX)"
               : "");
  return {"OpenBLAS", detail, "#d08a45",
          [outdated](const Product& product) -> std::unique_ptr<Prepared> {
            if (outdated || product.bf16 || product.gelu) return nullptr;
            return std::make_unique<OpenBlasProduct>(product);
          }};
}

}  // namespace gmlp
