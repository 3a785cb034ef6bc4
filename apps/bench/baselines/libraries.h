#pragma once
// One function a library, each in a file of its own.

#include "apps/bench/baselines/baseline.h"

namespace gmlp {

Baseline eigen_yardstick();
Baseline openblas_yardstick();  // only where GMLP_HAVE_OPENBLAS
Baseline onednn_yardstick();    // only where GMLP_HAVE_ONEDNN

}  // namespace gmlp
