#pragma once
// Small runs in the tests' own process, in folders that go away.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/vision/commands.h"
#include "core/io/file.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"

namespace gmlp::test {

/// A model of a few thousand parameters on drawn shapes: a step takes milliseconds.
inline std::vector<std::string> tiny_run(const std::string& out,
                                         const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"--data",
                                        "shapes",
                                        "--model",
                                        "gmlp_nano_32",
                                        "--img-size",
                                        "16",
                                        "--patch-size",
                                        "4",
                                        "--depth",
                                        "2",
                                        "--d-model",
                                        "16",
                                        "--d-ffn",
                                        "32",
                                        "--max-train-samples",
                                        "40",
                                        "--batch-size",
                                        "8",
                                        "--aug",
                                        "light",
                                        "--log-interval",
                                        "1",
                                        "--quiet",
                                        "--no-figures",
                                        "--out",
                                        out};
  // One thread is quickest at this size, and tests run beside each other.
  if (std::find(more.begin(), more.end(), "--threads") == more.end()) {
    arguments.insert(arguments.end(), {"--threads", "1"});
  }
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// `gmlp-vision train`; its exit status.
inline int train_with(const std::vector<std::string>& arguments, const Trainer::Hooks& hooks = {}) {
  return run_without_signal([&] { return train(parse_train(arguments), hooks); });
}

}  // namespace gmlp::test
