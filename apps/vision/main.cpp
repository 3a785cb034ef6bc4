// gmlp-vision: trains and runs vision gMLPs.

#include <cstdlib>
#if defined(__GLIBC__)
#  include <malloc.h>
#endif

#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "apps/vision/train.h"

namespace {

constexpr const char* kUsage =
    "gmlp-vision trains and runs vision gMLPs.\n\n"
    "  gmlp-vision train   --data SPEC --model NAME|DIR|FILE.json [--out DIR] ...\n"
    "  gmlp-vision eval    --model DIR --data SPEC [--split val|train|all] [--json FILE]\n"
    "  gmlp-vision predict --model DIR IMAGE|FOLDER... [--topk 5] [--json FILE]\n"
    "  gmlp-vision export  --model DIR --format timm|onnx --out PATH\n"
    "  gmlp-vision report  RUN... [--out FILE]\n"
    "  gmlp-vision info    --model NAME|DIR [--batch-size N] [--tensors]\n\n"
    "Try: gmlp-vision train --data shapes --model gmlp_nano_32 --epochs 1\n"
    "`gmlp-vision SUBCOMMAND --help` lists its options.\n";

int run_train(const std::vector<std::string>& arguments) {
  const auto command = gmlp::parse_train(arguments);
  return command ? gmlp::train(*command) : gmlp::kExitSuccess;
}

}  // namespace

int main(int argc, char** argv) {
#if defined(__GLIBC__)
  // Else each image's memory would go back to the system, and be cleared anew for the next one.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
  gmlp::install_stop_signals();
  return gmlp::run_main("gmlp-vision", kUsage,
                        {{"train", run_train},
                         {"eval", gmlp::run_eval},
                         {"predict", gmlp::run_predict},
                         {"export", gmlp::run_export},
                         {"report", gmlp::run_vision_report},
                         {"info", gmlp::run_info}},
                        argc, argv);
}
