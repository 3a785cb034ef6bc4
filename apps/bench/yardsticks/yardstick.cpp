#include "apps/bench/yardsticks/yardstick.h"

#include "apps/bench/yardsticks/libraries.h"

namespace gmlp {

const std::vector<Yardstick>& yardsticks() {
  static const std::vector<Yardstick> kFound = [] {
    std::vector<Yardstick> found;
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
