#pragma once
// The run folder: every file of a run has one place, and one class that writes it.
//
//   config.toml       the resolved options; --config reads it back
//   environment.json  version, compiler, ISA, threads, CPU
//   log.txt           what the console said, in plain lines
//   metrics.csv       a row an epoch            steps.jsonl   a line a logged step
//   summary.json, results.svg, filters.png, filters.svg (language)    at the end
//   checkpoints/      best, last, step-N

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// A text file that grows by whole lines and can be cut back to where a checkpoint saw it.
class AppendFile {
 public:
  /// Opens `path` for appending; what it holds stays. Throws RunError.
  explicit AppendFile(const std::string& path);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Writes `line` and a newline in one call to the system. Throws RunError (a full disk).
  void line(std::string_view line);
  int64_t size() const { return size_; }
  /// Throws InputError when the file is shorter than `size`.
  void check_holds(int64_t size) const;
  /// Cuts back to `size` bytes. Throws InputError when the file is shorter.
  void truncate(int64_t size);
  /// Flushes to the disk. Throws RunError.
  void sync();

 private:
  std::string path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

/// FOLDER/run-NUMBER: one of several runs under the same options, counted from 1.
std::string numbered_run(const std::string& folder, int64_t number);

/// The folder that a new run asks for.
struct NewFolder {
  std::string out;  // empty: the next free number below runs/`kind`/, named after model and data
  std::string kind;
  std::string model;
  std::string data;
  bool overwrite = false;
  std::string weights;  // the file or folder that the run starts from, if any
};

class RunFolder {
 public:
  /// Makes the folder of a new run, and gives its path. An `out` that holds files is refused
  /// (InputError), unless `overwrite`: then what a run, or several of finetune --runs, writes
  /// there is removed, and nothing else; refused where `weights` lie there.
  static std::string create(const NewFolder& asked);

  /// Opens the log files in `path`.
  explicit RunFolder(const std::string& path);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoints() const { return file("checkpoints"); }

  AppendFile& log() { return log_; }
  AppendFile& metrics() { return metrics_; }
  AppendFile& steps() { return steps_; }

  /// The sizes of the growing files, flushed to the disk; a checkpoint keeps them.
  std::map<std::string, int64_t> sync_offsets();
  /// Throws InputError when one of the files is shorter than sync_offsets() said.
  void check_offsets(const std::map<std::string, int64_t>& offsets) const;
  /// Removes a summary.json that tells of more than `step` steps.
  void forget_summary_after(int64_t step);
  /// Cuts the growing files back to what sync_offsets() said.
  void truncate(const std::map<std::string, int64_t>& offsets);

 private:
  std::string path_;
  AppendFile log_;
  AppendFile metrics_;
  AppendFile steps_;
};

/// A count of the summary.json in `folder`, such as "steps"; -1 where there is none.
int64_t summary_count(const std::string& folder, const char* name);

/// How far the run in a folder came.
enum class RunState : uint8_t { kUnsaved, kSaved, kDone };  // nothing, a checkpoint, all steps
/// Throws InputError where `folder` has a run whose options are not those of the config.toml
/// `config`: it would not be the run that was asked for.
RunState run_state(const std::string& folder, const std::string& config);

/// Where --resume's argument lies: the run folder, and the checkpoint in it to start from.
struct ResumePoint {
  std::string run;
  std::string checkpoint;
};
/// `path` is a run folder (its checkpoints/last is meant) or one of its checkpoints. Throws
/// InputError.
ResumePoint find_resume_point(const std::string& path);

}  // namespace gmlp
