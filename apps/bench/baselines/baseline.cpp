#include "apps/bench/baselines/baseline.h"

namespace gmlp {

const std::vector<Baseline>& baselines() {
  static const std::vector<Baseline> kFound = {
#if defined(GMLP_HAVE_ONEDNN)
    onednn_baseline(),
#endif
#if defined(GMLP_HAVE_OPENBLAS)
    openblas_baseline(),
#endif
    eigen_baseline(),
  };
  return kFound;
}

}  // namespace gmlp
