#pragma once
// The run folder: every file of a run has one place.
//
//   config.toml       the resolved options; --config reads it back
//   environment.json  version, compiler, ISA, threads, CPU
//   log.txt           the console's lines
//   metrics.csv       one row per epoch         steps.jsonl   one line per logged step
//   summary.json, results.svg, filters.png, filters.svg (language)    at the end
//   checkpoints/      best, last, step-N

#include <cstdint>
#include <map>
#include <string>

namespace gmlp {

struct TaskInfo;

/// FOLDER/run-NUMBER: one of several runs under the same options, counted from 1.
std::string numbered_run(const std::string& folder, int64_t number);

class RunFolder {
 public:
  /// Makes the folder of a new run and returns its path: `out`, or without it the next free number
  /// below runs/KIND/. An `out` that holds files is refused (InputError) unless `overwrite`, which
  /// removes what one run, or the runs of finetune --runs, write there, and nothing else. A folder
  /// that holds the initial weights is never overwritten.
  static std::string create(const std::string& out, bool overwrite, const TaskInfo& info);

  /// Opens the files of `path` that grow. Throws RunError.
  explicit RunFolder(const std::string& path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoints() const { return file("checkpoints"); }

  /// Appends `text` and a newline to log.txt, metrics.csv or steps.jsonl. Throws RunError (a full
  /// disk).
  void append(const std::string& name, const std::string& text);
  /// The sizes of these three, flushed to the disk; a checkpoint stores them.
  std::map<std::string, int64_t> sync_offsets();
  /// Throws InputError when a file is shorter than its offset.
  void check_offsets(const std::map<std::string, int64_t>& offsets) const;
  /// Cuts the files back to `offsets`. Throws RunError.
  void truncate(const std::map<std::string, int64_t>& offsets);
  /// Removes a summary.json that reports more than `step` steps.
  void forget_summary_after(int64_t step);

 private:
  struct GrowingFile {
    int descriptor;
    int64_t size;
  };
  std::string path_;
  std::map<std::string, GrowingFile> files_;
};

/// A count of the summary.json in `folder`, such as "steps"; -1 when absent.
int64_t summary_count(const std::string& folder, const char* name);

/// Whether the run in a folder saved nothing, a checkpoint, or its last step.
enum class RunState : uint8_t { kUnsaved, kSaved, kDone };
/// Throws InputError if the folder's run has other options than the config.toml `config`.
RunState run_state(const std::string& folder, const std::string& config);

/// The run that --resume names, and the checkpoint to start from.
struct ResumePoint {
  std::string run;
  std::string checkpoint;
};
/// `path` is a run folder, which means its checkpoints/last, or a checkpoint in one. Throws
/// InputError.
ResumePoint find_resume_point(const std::string& path);

}  // namespace gmlp
