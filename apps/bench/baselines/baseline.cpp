#include "apps/bench/baselines/baseline.h"

#include "apps/bench/baselines/libraries.h"

namespace gmlp {

const std::vector<Baseline>& baselines() {
  static const std::vector<Baseline> kFound = [] {
    std::vector<Baseline> found;
#if defined(GMLP_HAVE_ONEDNN)
    found.push_back(onednn_yardstick());
#endif
#if defined(GMLP_HAVE_OPENBLAS)
    found.push_back(openblas_yardstick());
#endif
    found.push_back(eigen_yardstick());
    return found;
  }();
  return kFound;
}

}  // namespace gmlp
