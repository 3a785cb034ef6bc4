// Eigen: one expression, compiled as the ladder's rungs are, for the instruction set in use.

#include <Eigen/src/Core/util/Macros.h>  // the version only
#include <fmt/format.h>

#include "apps/bench/cases.h"
#include "apps/bench/ladder/rungs.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

Contender prepare_eigen(const Product& p) {
  if (p.bf16 || p.gelu) return {};
  Tensor c = zeros({p.m, p.n});
  const auto run = [p, c] {
    ladder::rungs_in_use().eigen(floats(c), floats(p.a), floats(p.b), p.m, p.n, p.k,
                                 thread_count());
  };
  return {"", run, [c] { return c; }};
}

}  // namespace

Baseline eigen_baseline() {
  const std::string detail = fmt::format("{}.{}.{}, {}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                                         EIGEN_MINOR_VERSION, fused::kernels().isa);
  return {"Eigen", detail, prepare_eigen};
}

}  // namespace gmlp
