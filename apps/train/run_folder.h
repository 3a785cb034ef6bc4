#pragma once
// The run folder: every file of a run has one place.
//
//   config.toml       the resolved options; --config reads it back
//   environment.json  version, compiler, ISA, threads, CPU
//   log.txt           the console's lines
//   metrics.csv       one row per epoch         steps.jsonl   one line per logged step
//   summary.json, report.html, filters.png    at the end
//   tensorboard/      with --tensorboard
//   checkpoints/      last, best, and the step-N that were last before
//   .lock             the process that writes the run

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "models/checkpoint/checkpoint.h"

namespace gmlp {

struct TaskInfo;

/// A growing file at a save: its size, and the CRC-32 of all bytes up to there.
struct LogPosition {
  int64_t size = 0;
  uint32_t crc = 0;
};
using LogPositions = std::map<std::string, LogPosition>;
/// The growing files, and where each begins.
inline const LogPositions kLogStarts = {{"log.txt", {}}, {"metrics.csv", {}}, {"steps.jsonl", {}}};

/// A save that a run goes back to; by default its start.
struct SavePoint {
  std::string checkpoint;  // its folder; empty at the start
  int64_t step = 0;
  int64_t best_step = 0;  // of the best checkpoint so far; 0: none
  LogPositions logs = kLogStarts;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FilePtr = std::unique_ptr<std::FILE, CloseFile>;

class RunFolder {
 public:
  /// Makes the folder of a new run and returns its path: `out`, or without it the next free number
  /// below runs/KIND/. An `out` that holds files is refused (InputError) unless they are a run's
  /// and `overwrite`, which removes what a run writes there and nothing else. Refused, too, if the
  /// new run reads any of that.
  static std::string create(std::string out, bool overwrite, const TaskInfo& info);

  /// Keeps other processes out of the run in `path` as long as it lives; the system removes the
  /// lock of a process that was killed. Repairs what such a process left: removes temporaries, and
  /// renames a checkpoint back that was being replaced. Throws InputError if another process has
  /// the lock, or if a name of a run's files is a link, and RunError.
  explicit RunFolder(const std::string& path);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoint(const std::string& name) const { return path_ + "/checkpoints/" + name; }

  /// To be called before anything is written: takes the folder back to `point`, adds to `notes`
  /// what was lost, and returns whether there is a best checkpoint. Growing files are cut back; one
  /// that was removed or edited begins anew. Later checkpoints go, a later `last` becomes a copy of
  /// the point's, and `best` that of its step, if any checkpoint still has it. Killed at any
  /// moment, the point's checkpoint is unchanged, and `last` is whole and of its own step.
  bool rewind(const SavePoint& point, std::vector<std::string>& notes);

  /// Appends `text` and a newline to log.txt, metrics.csv or steps.jsonl. Throws RunError (a full
  /// disk).
  void append(const std::string& name, const std::string& text);
  /// The ends of these three, flushed to the disk; a checkpoint stores them.
  LogPositions sync_logs();

  void save_best(const CheckpointBytes& bytes) { save_checkpoint(bytes, checkpoint("best")); }
  /// Keeps the previous `last` as step-N, N its step, and removes the oldest beyond `history`.
  void save_last(const CheckpointBytes& bytes, int64_t step, int64_t history);
  /// Keeps `best`, if it is of `step`, as step-N, for a run that restarts from before a better one.
  void keep_best(int64_t step);

 private:
  struct Log {
    FilePtr file;
    LogPosition end;
  };
  std::string step_folder(int64_t step) const { return checkpoint("step-" + std::to_string(step)); }
  std::set<int64_t> kept_steps() const;
  void forget_checkpoints_after(const SavePoint& point);
  bool restore_best(const SavePoint& point);
  void rewind_log(const std::string& name, const LogPosition& end, std::vector<std::string>& notes);

  std::string path_;
  FilePtr lock_;
  std::map<std::string, Log> logs_;
};

/// Removes the temporaries in `folder` that killed processes left.
void remove_stale_temporaries(const std::string& folder);

/// Whether the run in a folder made its last step, or --patience ended it.
bool is_finished(const std::string& folder);

/// The run that --resume names, and the checkpoint to start from.
struct ResumePoint {
  std::string run, checkpoint;
};
/// `path` is a run folder, which means its checkpoints/last (absent if the run never saved), or a
/// checkpoint in one. Throws InputError.
ResumePoint find_resume_point(const std::string& path);
/// The checkpoint to start from in a repaired run. If `last` was removed, it is the newest of the
/// others; empty if nothing was saved.
std::string find_checkpoint(const ResumePoint& point);

/// Throws RunError for errno: "PATH: could not be written: No space left on device".
[[noreturn]] void fail_system(const std::string& path, const char* what);
/// Makes --out's folder `path` and those above it. Throws RunError.
void make_folders(const std::string& path);

}  // namespace gmlp
