#pragma once
// The checkpoints of one run: last, best, and the step-N that were last before.

#include <cstdint>
#include <string>
#include <vector>

#include "models/checkpoint/checkpoint.h"

namespace gmlp {

class CheckpointStore {
 public:
  /// `folder` is RUN/checkpoints. Repairs what a killed save left: removes temporaries, and renames
  /// a folder back that was being replaced.
  CheckpointStore(const std::string& folder, int64_t history);

  std::string last() const { return folder_ + "/last"; }
  std::string best() const { return folder_ + "/best"; }
  void save_best(const CheckpointBytes& bytes) { save_checkpoint(bytes, best()); }
  /// Keeps the previous `last` as step-N, N its step, and removes the oldest beyond the history.
  void save_last(const CheckpointBytes& bytes, int64_t step);

  // A run that restarts from the checkpoint folder `from` drops what is later. Killed at any
  // moment, `from` is unchanged and `last` is a whole checkpoint of its own step.
  /// Removes each step-N after `step`, the step of `from`; a later `last` becomes a copy of `from`.
  void forget_after(const std::string& from, int64_t step);
  /// Makes `best` the checkpoint of `step`, from whichever checkpoint still has that step. False if
  /// none has.
  bool restore_best(const std::string& from, int64_t step);
  void drop_best();
  /// Keeps `best`, if it is of `step`, as step-N, for a run that restarts from before a better one.
  void keep_best(int64_t step);

 private:
  std::vector<int64_t> kept_steps() const;  // ascending
  std::string step_folder(int64_t step) const { return folder_ + "/step-" + std::to_string(step); }

  std::string folder_;
  int64_t history_;
};

}  // namespace gmlp
