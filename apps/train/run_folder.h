#pragma once
// The run folder: every file of a run has one place.
//
//   config.toml       the resolved options; --config reads it back
//   environment.json  version, compiler, ISA, threads, CPU
//   log.txt           the console's lines
//   metrics.csv       one row per epoch         steps.jsonl   one line per logged step
//   summary.json, report.html, filters.png    at the end
//   tensorboard/      with --tensorboard
//   checkpoints/      best, last, step-N
//   .lock             the process that writes the run

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace gmlp {

struct TaskInfo;

/// Removes the temporaries in `folder` that killed processes left.
void remove_stale_temporaries(const std::string& folder);

/// Keeps other processes out of a run as long as it lives. The system removes the lock of a process
/// that was killed.
class RunLock {
 public:
  /// Throws InputError if another process has the lock of the run in `folder`.
  explicit RunLock(const std::string& folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int descriptor_ = -1;
};

/// The end of a growing file at a save: its size, and the CRC-32 of all bytes up to there.
struct LogPosition {
  int64_t size = 0;
  uint32_t crc = 0;
};
/// The growing files, and where each begins.
inline const std::map<std::string, LogPosition> kLogStarts = {
    {"log.txt", {}}, {"metrics.csv", {}}, {"steps.jsonl", {}}};

class RunFolder {
 public:
  /// Makes the folder of a new run and returns its path: `out`, or without it the next free number
  /// below runs/KIND/. An `out` that holds files is refused (InputError) unless they are a run's
  /// and `overwrite`, which removes what a run writes there, and nothing else. A folder that holds
  /// the initial weights is never overwritten.
  static std::string create(std::string out, bool overwrite, const TaskInfo& info);

  /// Opens the files of `path` that grow, under `lock` or one of its own. Throws InputError if a
  /// name of a run's files is a link, and RunError.
  explicit RunFolder(const std::string& path, std::shared_ptr<const RunLock> lock = nullptr);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoints() const { return file("checkpoints"); }

  /// Appends `text` and a newline to log.txt, metrics.csv or steps.jsonl. Throws RunError (a full
  /// disk).
  void append(const std::string& name, const std::string& text);
  /// The ends of these three, flushed to the disk; a checkpoint stores them.
  std::map<std::string, LogPosition> sync_logs();
  /// Cuts the files back to their `ends` at a save. A file that was removed or edited since then
  /// begins anew. Returns the names of those. Throws RunError.
  std::vector<std::string> rewind_logs(const std::map<std::string, LogPosition>& ends);
  /// Removes a summary.json that reports more than `step` steps.
  void forget_summary_after(int64_t step);

 private:
  struct GrowingFile {
    int descriptor;
    LogPosition end;
  };
  std::string path_;
  std::shared_ptr<const RunLock> lock_;
  std::map<std::string, GrowingFile> files_;
};

/// Whether the run in a folder made its last step, or --patience ended it.
bool is_finished(const std::string& folder);

/// The run that --resume names, and the checkpoint to start from.
struct ResumePoint {
  std::string run, checkpoint;
};
/// `path` is a run folder, which means its checkpoints/last (absent if the run never saved), or a
/// checkpoint in one. Throws InputError.
ResumePoint find_resume_point(const std::string& path);

/// Throws RunError for errno: "PATH: could not be written: No space left on device".
[[noreturn]] void fail_system(const std::string& path, const char* what);
/// Makes --out's folder `path` and those above it. Throws RunError.
void make_folders(const std::string& path);

}  // namespace gmlp
