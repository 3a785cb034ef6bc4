#include "apps/train/run_folder.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/cli/format.h"
#include "apps/train/task.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

/// Everything that a run writes; --overwrite removes these names only.
constexpr const char* kRunFiles[] = {
    "config.toml", "environment.json", "log.txt",     "metrics.csv", "steps.jsonl", "summary.json",
    "report.html", "results.svg",      "filters.png", "filters.svg", "tensorboard", "checkpoints"};

/// The last part of a path, of letters, digits, '-' and '_' only.
std::string folder_name_of(const std::string& text) {
  std::string name = fs::path(text).stem().string();
  if (name.empty()) name = fs::path(text).parent_path().filename().string();
  static const std::regex special("[^A-Za-z0-9_-]");
  return name.empty() ? "run" : std::regex_replace(name, special, "-");
}

int64_t next_run_number(const std::string& parent) {
  int64_t highest = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent)) {
    int64_t number = 0;
    std::sscanf(entry.path().filename().c_str(), "%17" SCNd64 "-", &number);
    highest = std::max(highest, number);
  }
  return highest + 1;
}

/// Of two runs that start at the same time, mkdir fails in one, which takes the next number.
std::string create_numbered(const TaskInfo& info) {
  const std::string parent = "runs/" + info.kind;
  make_folders(parent);
  for (int64_t number = next_run_number(parent);; ++number) {
    std::string path = fmt::format("{}/{:04}-{}-{}", parent, number, folder_name_of(info.model),
                                   folder_name_of(info.data));
    if (mkdir(path.c_str(), 0777) == 0) return path;
    if (errno != EEXIST) fail_system(path, "made");
  }
}

/// Whether `path` is `folder` or below it, links resolved.
bool is_within(const std::string& path, const std::string& folder) {
  if (path.empty()) return false;
  const fs::path way = fs::weakly_canonical(path).lexically_relative(fs::weakly_canonical(folder));
  return !way.empty() && *way.begin() != "..";
}

/// A count of the summary.json in `folder`, such as "steps"; -1 when absent.
int64_t summary_count(const std::string& folder, const char* name) {
  const std::string path = folder + "/summary.json";
  if (!fs::exists(path)) return -1;
  const Json summary = read_json(path);
  const bool there = summary.is_object() && summary.contains(name);
  return there && summary.at(name).is_number_integer() ? summary.at(name).get<int64_t>() : -1;
}

/// Opens a file for writing and makes it if it is absent. Throws RunError.
FilePtr open_file(const std::string& path, int flags, const char* mode) {
  const int descriptor = open(path.c_str(), flags | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  FilePtr file(descriptor < 0 ? nullptr : fdopen(descriptor, mode));
  if (!file) fail_system(path, "opened");
  return file;
}

void write_flushed(const FilePtr& file, const std::string& path, const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), file.get()) == text.size();
  if (!written || std::fflush(file.get()) != 0) fail_system(path, "written");
}

/// The lock of the run in `folder`, which names this process.
FilePtr lock_run(const std::string& folder) {
  const std::string path = folder + "/.lock";
  FilePtr file = open_file(path, O_RDWR, "r+");
  // A killed process may hold the lock for a moment longer: mpirun does not wait for the last of
  // its ranks. A file system without locks fails otherwise.
  constexpr double kPatience = 3;
  const Stopwatch waiting;
  while (flock(fileno(file.get()), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    if (waiting.seconds() < kPatience) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    const int owner = std::atoi(read_text(path).c_str());
    fail_input("{}: process {} is writing this run; wait for its end, or stop it: kill {}", folder,
               owner, owner);
  }
  write_flushed(file, path, fmt::format("{:<10}\n", getpid()));
  return file;
}

/// Checkpoint `from` under a second name. Both stay whole, and what `to` was is replaced in one
/// step. Files are hard links, or copies if the file system has no links.
void copy_checkpoint(const std::string& from, const std::string& to) {
  const std::string temporary = make_temporary_folder(to);
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    const fs::path target = fs::path(temporary) / entry.path().filename();
    std::error_code error;
    fs::create_hard_link(entry.path(), target, error);
    if (error) write_file_synced(target.string(), read_text(entry.path().string()));
  }
  replace_folder(temporary, to);
}

/// Removes a checkpoint. If killed, none is left half removed under its name.
void drop_checkpoint(const std::string& path) {
  if (!fs::exists(path)) return;
  const std::string temporary = temporary_for(path);
  std::error_code error;
  fs::remove_all(temporary, error);
  if (!error) fs::rename(path, temporary, error);
  if (!error) fs::remove_all(temporary, error);
  if (error) {
    fail_run("{}: could not be removed: {}; make its folder writable and resume again", path,
             error.message());
  }
}

/// The step in its training.json; nothing if that is absent or damaged.
std::optional<int64_t> step_of(const std::string& folder) {
  const std::string path = folder + "/" + kStateFile;
  try {
    return parse_json(verify_checksum(read_text(path), path), path).at("step").get<int64_t>();
  } catch (const InputError&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace

void fail_system(const std::string& path, const char* what) {
  fail_run("{}: could not be {}: {}", path, what, std::strerror(errno));
}

void make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    fail_run("{}: the folder could not be made: {}; choose another --out", path, error.message());
  }
}

void remove_stale_temporaries(const std::string& folder) {
  static const std::regex temporary(".*\\.tmp-([0-9]{1,9})-[0-9]+");  // with its process
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::smatch match;
    if (!std::regex_match(name, match, temporary)) continue;
    // Signal 0 tests whether the process is alive.
    const bool stale = kill(std::stoi(match[1]), 0) != 0 && errno == ESRCH;
    if (stale) unlink(it->path().c_str());
  }
}

std::string RunFolder::create(std::string out, bool overwrite, const TaskInfo& info) {
  if (out.empty()) return create_numbered(info);
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  refuse_if(fs::exists(out) && !fs::is_directory(out), "--out {}: is a file; name a folder", out);
  if (fs::exists(out) && !fs::is_empty(out)) {
    const auto is_there = [&](const char* name) { return fs::exists(fs::path(out) / name); };
    constexpr const char* kOfRuns[] = {".lock", "steps.jsonl", "checkpoints/last/training.json"};
    refuse_if(std::ranges::any_of(kRunFiles, is_there) && std::ranges::none_of(kOfRuns, is_there),
              "--out {}: is not empty, and what it holds is no run; choose another folder", out);
    refuse_if(
        !overwrite,
        "--out {}: is not empty; continue its run with --resume {}, empty it with --overwrite, "
        "or choose another folder",
        out, out);
    for (const std::string& input : info.inputs) {
      const auto removes = [&](const char* name) { return is_within(input, out + "/" + name); };
      refuse_if(std::ranges::any_of(kRunFiles, removes),
                "--out {}: the run reads {}, which --overwrite would remove; choose another folder",
                out, input);
    }
    const FilePtr lock = lock_run(out);  // a run in use loses nothing
    for (const char* name : kRunFiles) fs::remove_all(fs::path(out) / name);
  }
  make_folders(out);
  return out;
}

RunFolder::RunFolder(const std::string& path) : path_(path), lock_(lock_run(path)) {
  for (const char* name : kRunFiles) {
    refuse_if(
        fs::is_symlink(file(name)),
        "{}: is a link, but a run writes into its own folder only; replace it by what it names",
        file(name));
  }
  remove_stale_temporaries(path_);
  make_folders(file("checkpoints"));
  for (const fs::directory_entry& entry : fs::directory_iterator(file("checkpoints"))) {
    const fs::path& found = entry.path();
    if (found.extension() != ".tmp" && found.extension() != ".old") continue;
    recover_folder((found.parent_path() / found.stem()).string());
  }
}

bool RunFolder::rewind(const SavePoint& point, std::vector<std::string>& notes) {
  // The order survives a kill: a summary.json that outlived its `last` would say that the run is
  // done, and a later `last` would begin the shorter logs anew.
  if (summary_count(path_, "steps") > point.step) fs::remove(file("summary.json"));
  if (!point.checkpoint.empty()) forget_checkpoints_after(point);
  const bool found = point.best_step > 0 && restore_best(point);
  if (!found) drop_checkpoint(checkpoint("best"));
  if (!found && point.best_step > 0) {
    notes.push_back(fmt::format(
        "the best weights, of step {}, no longer exist; the next validation is the best",
        point.best_step));
  }
  for (const auto& [name, end] : point.logs) rewind_log(name, end, notes);
  return found;
}

void RunFolder::forget_checkpoints_after(const SavePoint& point) {
  const auto is_it = [&](const std::string& folder) {
    std::error_code ignored;
    return fs::equivalent(point.checkpoint, folder, ignored);
  };
  const std::string last = checkpoint("last");
  const std::optional<int64_t> step = step_of(last);
  // Equal steps too: a user who names another folder may have found `last` to be damaged.
  if (!is_it(last) && (!step || *step >= point.step)) copy_checkpoint(point.checkpoint, last);
  for (const int64_t kept : kept_steps()) {
    if (kept > point.step && !is_it(step_folder(kept))) drop_checkpoint(step_folder(kept));
  }
}

bool RunFolder::restore_best(const SavePoint& point) {
  const std::string best = checkpoint("best");
  for (const std::string& folder : {best, point.checkpoint, step_folder(point.best_step)}) {
    if (step_of(folder) != point.best_step) continue;
    if (folder != best) copy_checkpoint(folder, best);
    return true;
  }
  return false;
}

void RunFolder::rewind_log(const std::string& name, const LogPosition& end,
                           std::vector<std::string>& notes) {
  Log& log = logs_[name] = {open_file(file(name), O_WRONLY | O_APPEND, "a"), end};
  const std::string text = read_text(file(name));
  if (std::ssize(text) < end.size || crc32_of(text.data(), end.size) != end.crc) {
    log.end = {};
    notes.push_back(name + " was removed or edited since the last save, so it begins anew");
  }
  if (ftruncate(fileno(log.file.get()), log.end.size) != 0) fail_system(file(name), "cut back");
}

void RunFolder::append(const std::string& name, const std::string& text) {
  Log& log = logs_.at(name);
  const std::string line = text + '\n';
  write_flushed(log.file, file(name), line);
  log.end = {log.end.size + std::ssize(line), crc32_of(line.data(), std::ssize(line), log.end.crc)};
}

LogPositions RunFolder::sync_logs() {
  LogPositions ends;
  for (const auto& [name, log] : logs_) {
    if (fsync(fileno(log.file.get())) != 0 && errno != EINVAL) {
      fail_system(file(name), "flushed to the disk");
    }
    ends[name] = log.end;
  }
  return ends;
}

std::set<int64_t> RunFolder::kept_steps() const {
  std::set<int64_t> steps;
  for (const fs::directory_entry& entry : fs::directory_iterator(file("checkpoints"))) {
    int64_t step = -1;
    std::sscanf(entry.path().filename().c_str(), "step-%18" SCNd64, &step);
    if (step >= 0 && entry.path().string() == step_folder(step)) steps.insert(step);
  }
  return steps;
}

void RunFolder::save_last(const CheckpointBytes& bytes, int64_t step, int64_t history) {
  const std::string last = checkpoint("last");
  const std::optional<int64_t> before = step_of(last);
  // A second name, so that `last` can be loaded throughout.
  if (history > 0 && before && *before != step) copy_checkpoint(last, step_folder(*before));
  save_checkpoint(bytes, last);
  std::set<int64_t> steps = kept_steps();
  for (; std::ssize(steps) > history; steps.erase(steps.begin())) {
    fs::remove_all(step_folder(*steps.begin()));
  }
}

void RunFolder::keep_best(int64_t step) {
  const std::string best = checkpoint("best");
  if (step_of(best) == step) copy_checkpoint(best, step_folder(step));
}

bool is_finished(const std::string& folder) {
  // A run that --time-limit stopped has a summary, too, with fewer steps.
  const int64_t steps = summary_count(folder, "steps");
  const bool complete = steps >= 0 && steps == summary_count(folder, "total_steps");
  return complete || summary_count(folder, "stopped_early_at_epoch") > 0;
}

ResumePoint find_resume_point(const std::string& path) {
  std::string folder = path;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  refuse_if(!fs::is_directory(folder),
            "--resume {}: no such folder; name a run folder, such as one below runs/", path);
  if (fs::exists(folder + "/config.toml")) return {folder, folder + "/checkpoints/last"};
  fs::path full = fs::absolute(folder).lexically_normal();
  if (!full.has_filename()) full = full.parent_path();  // "last/."
  const fs::path run = full.parent_path().parent_path();
  if (fs::exists(folder + "/training.json") && fs::exists(run / "config.toml")) {
    return {run.string(), folder};
  }
  fail_input(
      "--resume {}: neither a run folder (no config.toml) nor one of its checkpoints; name one "
      "that train made, or start a new run",
      path);
}

std::string find_checkpoint(const ResumePoint& point) {
  if (fs::is_directory(point.checkpoint)) return point.checkpoint;
  const std::string checkpoints = point.run + "/checkpoints", best = checkpoints + "/best";
  std::string newest;
  bool saved = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(checkpoints)) {
    if (!entry.is_directory()) continue;
    saved = true;
    const std::string folder = entry.path().string();
    const std::optional<int64_t> step = step_of(folder);
    const std::optional<int64_t> most = newest.empty() ? std::nullopt : step_of(newest);
    // Of equals not `best`, which may be of a --time-limit's extra validation.
    if (step > most || (step == most && newest == best)) newest = folder;
  }
  refuse_if(saved && newest.empty(),
            "{}: has no `last`, and no other with a whole training.json; start a new run, with "
            "--init {} if its weights are whole",
            checkpoints, best);
  return newest;
}

}  // namespace gmlp
