// gmlp-vision: train, eval, predict, export and info of vision gMLPs.

#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/vision/commands.h"
#include "apps/vision/run.h"
#include "core/error.h"

namespace {

constexpr const char* kUsage =
    "gmlp-vision trains and runs vision gMLPs.\n\n"
    "  gmlp-vision train   --data SPEC --model NAME|DIR|FILE.json [--out DIR] ...\n"
    "  gmlp-vision eval    --model DIR --data SPEC [--split val|train] [--json FILE]\n"
    "  gmlp-vision predict --model DIR IMAGE... [--topk 5] [--json FILE]\n"
    "  gmlp-vision export  --model DIR --format timm|onnx --out PATH\n"
    "  gmlp-vision info    --model NAME|DIR [--batch-size N] [--tensors]\n\n"
    "Try: gmlp-vision train --data shapes --model gmlp_nano_32 --epochs 1\n"
    "`gmlp-vision VERB --help` lists a verb's options.\n";

int run_train(const std::vector<std::string>& arguments) {
  const auto command = gmlp::parse_train(arguments);
  return command ? gmlp::train(*command) : gmlp::kExitSuccess;
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string verb = arguments.empty() ? "" : arguments.front();
  const std::vector<std::string> rest(arguments.begin() + (arguments.empty() ? 0 : 1),
                                      arguments.end());
  if (verb == "train") return run_train(rest);
  if (verb == "eval") return gmlp::run_eval(rest);
  if (verb == "predict") return gmlp::run_predict(rest);
  if (verb == "export") return gmlp::run_export(rest);
  if (verb == "info") return gmlp::run_info(rest);
  if (verb == "--help" || verb == "-h" || verb == "help") {
    fmt::print("{}", kUsage);
    return gmlp::kExitSuccess;
  }
  if (verb == "--version") {
    fmt::print("gmlp-vision {}\n", GMLP_VERSION);
    return gmlp::kExitSuccess;
  }
  if (verb.empty()) {
    gmlp::fail_input("a verb is missing; choose train, eval, predict, export or info (--help)");
  }
  gmlp::fail_input("{}: no such verb; choose train, eval, predict, export or info (--help)", verb);
}

}  // namespace

int main(int argc, char** argv) {
  gmlp::install_stop_signals();
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  return gmlp::guard_main("gmlp-vision", [&] { return dispatch(arguments); });
}
