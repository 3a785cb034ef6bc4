#pragma once
// Helpers for tests of resumed runs.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/train/trainer.h"
#include "core/io/json.h"
#include "models/checkpoint/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/train/run_helpers.h"

namespace gmlp::test {

inline nlohmann::ordered_json state_of(const std::string& checkpoint) {
  const std::string path = checkpoint + "/training.json";
  return gmlp::parse_json(gmlp::verify_checksum(gmlp::read_text(path), path), path);
}

/// Another training.json, with the checksum that belongs to it.
inline void write_state(const std::string& checkpoint, nlohmann::ordered_json state) {
  state.erase("crc32");
  gmlp::write_file_atomic(checkpoint + "/training.json",
                          gmlp::add_checksum(gmlp::json_text(state)));
}

/// Every step-N is a whole checkpoint of step N, and `best` is of the step that summary.json says.
inline void check_folders(const std::string& run) {
  for (const std::filesystem::directory_entry& entry :
       std::filesystem::directory_iterator(run + "/checkpoints")) {
    const std::string name = entry.path().filename().string();
    INFO(name);
    REQUIRE_NOTHROW(gmlp::open_checkpoint(entry.path().string()));
    if (!name.starts_with("step-")) continue;
    CHECK(state_of(entry.path().string()).at("step") == std::stoll(name.substr(5)));
  }
  const std::string best = run + "/checkpoints/best";
  const nlohmann::ordered_json summary =
      nlohmann::ordered_json::parse(gmlp::read_text(run + "/summary.json"));
  REQUIRE(std::filesystem::exists(best) == summary.contains("best"));
  if (std::filesystem::exists(best))
    CHECK(state_of(best).at("step") == summary.at("best").at("step"));
}

/// Four epochs of five steps, all of one score, so that the first is the best; but that of step 15
/// is made to be better. Checkpoints: step-10, step-15, last (20) and best (15).
inline void make_run(const std::string& run) {
  gmlp::Trainer::Hooks hooks;
  hooks.after_step = [](gmlp::Trainer& training) {
    if (training.progress.step == 15) training.progress.best.metric = -1;
  };
  REQUIRE(train_with(tiny_run(run, {"--epochs", "4", "--lr", "0", "--checkpoint-hist", "2"}),
                     hooks) == 0);
  REQUIRE(state_of(run + "/checkpoints/best").at("step") == 15);
  REQUIRE(state_of(run + "/checkpoints/step-10").at("best").at("step") == 5);
  check_folders(run);
}

/// The error of training; empty when there is none.
inline std::string error_of(const std::vector<std::string>& arguments,
                            const gmlp::Trainer::Hooks& hooks = {}) {
  try {
    train_with(arguments, hooks);
  } catch (const std::exception& error) {
    gmlp::set_stop_signal(0);
    return error.what();
  }
  return "";
}

}  // namespace gmlp::test
