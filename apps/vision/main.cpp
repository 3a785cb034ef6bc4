// gmlp-vision: trains and runs vision gMLPs.

#include <cstdlib>  // __GLIBC__
#if defined(__GLIBC__)
#  include <malloc.h>
#endif

#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "apps/vision/usage.h"

int main(int argc, char** argv) {
#if defined(__GLIBC__)
  // Else each image's memory would go back to the system, and be cleared anew for the next one.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
  gmlp::install_stop_signals();
  return gmlp::run_main(
      "gmlp-vision", kVisionUsage,
      {{"train", [](const auto& given) { return gmlp::train(gmlp::parse_train(given)); }, true},
       {"eval", gmlp::run_eval},
       {"ablate", gmlp::run_ablate},
       {"predict", gmlp::run_predict},
       {"export", gmlp::run_export},
       {"report", gmlp::run_vision_report},
       {"info", gmlp::run_info}},
      argc, argv);
}
