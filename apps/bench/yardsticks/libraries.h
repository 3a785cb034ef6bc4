#pragma once
// One function a library, each in a file of its own.

#include "apps/bench/yardsticks/yardstick.h"

namespace gmlp {

Yardstick eigen_yardstick();
Yardstick openblas_yardstick();  // only where GMLP_HAVE_OPENBLAS
Yardstick onednn_yardstick();    // only where GMLP_HAVE_ONEDNN

}  // namespace gmlp
