// OpenBLAS: cblas_sgemm, which packs both operands in each call. The processor or OPENBLAS_CORETYPE
// decides which kernels it runs; the table's header names them.

#include <set>
#include <string>

#include <cblas.h>
#include <fmt/format.h>

#include "apps/bench/cases.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

Contender prepare_openblas(const Product& p) {
  if (p.bf16 || p.gelu) return {};
  openblas_set_num_threads(thread_count());
  Tensor c = zeros({p.m, p.n});
  const auto run = [p, c, m = static_cast<blasint>(p.m), n = static_cast<blasint>(p.n),
                    k = static_cast<blasint>(p.k)] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, floats(p.a), k,
                floats(p.b), n, 0.0F, floats(c), n);
  };
  return {"", run, [c] { return c; }};
}

/// Whether OpenBLAS does not know this processor and fell back to kernels without AVX2.
bool is_outdated(const std::string& kernels) {
#if defined(__x86_64__)
  static const std::set<std::string> kWithAvx2 = {"Haswell", "Zen", "SkylakeX", "Cooperlake",
                                                  "SapphireRapids"};
  return __builtin_cpu_supports("avx2") != 0 && !kWithAvx2.contains(kernels);
#else
  return kernels.empty();
#endif
}

}  // namespace

Baseline openblas_baseline() {
  constexpr const char* kThreads[] = {"one thread", "its own threads", "OpenMP"};
  const bool outdated = is_outdated(openblas_get_corename());
  const std::string config = openblas_get_config();  // "OpenBLAS 0.3.21 ..."
  const size_t version = config.find(' ') + 1;
  const std::string detail = fmt::format(
      "{}, {} kernels, {}{}", config.substr(version, config.find(' ', version) - version),
      openblas_get_corename(), kThreads[openblas_get_parallel()],
      outdated ? " (left out: no AVX2; set OPENBLAS_CORETYPE=Haswell or SkylakeX)" : "");
  return {"OpenBLAS", detail, [outdated](const Product& product) {
            return outdated ? Contender{} : prepare_openblas(product);
          }};
}

}  // namespace gmlp
