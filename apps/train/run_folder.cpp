#include "apps/train/run_folder.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

/// The process that created a temporary called NAME.tmp-PID-N. 0 for every other file.
pid_t owner_of(const std::string& name) {
  const std::string mark = name.substr(std::min(name.rfind(".tmp-"), name.size()));
  int pid = 0, count = 0;
  size_t end = 0;
  std::sscanf(mark.c_str(), ".tmp-%d-%d%zn", &pid, &count, &end);
  return end > 0 && end == mark.size() ? pid : 0;
}

int64_t next_run_number(const std::string& parent) {
  int64_t highest = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent)) {
    int number = 0;
    std::sscanf(entry.path().filename().c_str(), "%9d-", &number);
    highest = std::max<int64_t>(highest, number);
  }
  return highest + 1;
}

/// Of two runs that start at the same time, mkdir fails in one, which takes the next number.
std::string create_numbered(const TaskInfo& info) {
  const std::string parent = "runs/" + info.kind;
  make_folders(parent);
  while (true) {
    std::string path = fmt::format("{}/{:04}-{}-{}", parent, next_run_number(parent),
                                   folder_name_of(info.model), folder_name_of(info.data));
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

RunLock::RunLock(const std::string& folder) {
  const std::string path = folder + "/.lock";
  descriptor_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) fail_system(path, "opened");
  // A killed process may hold the lock for a moment longer: mpirun does not wait for the last of
  // its ranks. A file system without locks fails otherwise.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    if (std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    char owner[32] = {};
    if (pread(descriptor_, owner, sizeof owner - 1, 0) < 0) owner[0] = 0;
    close(descriptor_);
    fail_input("{}: process {} is writing this run; wait for its end, or stop it: kill {}", folder,
               std::atoi(owner), std::atoi(owner));
  }
  const std::string owner = fmt::format("{:<10}\n", getpid());
  if (pwrite(descriptor_, owner.data(), owner.size(), 0) < 0) fail_system(path, "written");
}

RunLock::~RunLock() {
  close(descriptor_);
}

void remove_stale_temporaries(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const pid_t owner = owner_of(it->path().filename().string());
    // Signal 0 tests whether the process is alive.
    if (owner > 0 && ::kill(owner, 0) != 0 && errno == ESRCH) ::unlink(it->path().c_str());
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
    refuse_if(
        is_within(info.weights, out),
        "--out {}: the run starts from {}, which --overwrite would remove; choose another folder",
        out, info.weights);
    const RunLock lock(out);  // a run in use loses nothing
    for (const char* name : kRunFiles) fs::remove_all(fs::path(out) / name);
  }
  make_folders(out);
  return out;
}

RunFolder::RunFolder(const std::string& path, std::shared_ptr<const RunLock> lock)
    : path_(path), lock_(lock ? std::move(lock) : std::make_shared<const RunLock>(path)) {
  for (const char* name : kRunFiles) {
    refuse_if(
        fs::is_symlink(file(name)),
        "{}: is a link, but a run writes into its own folder only; replace it by what it names",
        file(name));
  }
  for (const auto& [name, start] : kLogStarts) {
    const int descriptor =
        open(file(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (descriptor < 0) fail_system(file(name), "opened");
    files_[name] = {descriptor, start};
  }
  make_folders(checkpoints());
}

RunFolder::~RunFolder() {
  for (const auto& [name, file] : files_) close(file.descriptor);
}

void RunFolder::append(const std::string& name, const std::string& text) {
  GrowingFile& growing = files_.at(name);
  const std::string line = text + '\n';
  for (size_t done = 0; done < line.size();) {
    const ssize_t wrote = write(growing.descriptor, line.data() + done, line.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail_system(file(name), "written");
    growing.end.crc = crc32_of(line.data() + done, wrote, growing.end.crc);
    growing.end.size += wrote;
    done += static_cast<size_t>(wrote);
  }
}

std::map<std::string, LogPosition> RunFolder::sync_logs() {
  std::map<std::string, LogPosition> ends;
  for (const auto& [name, growing] : files_) {
    if (fsync(growing.descriptor) != 0 && errno != EINVAL) {
      fail_system(file(name), "flushed to the disk");
    }
    ends[name] = growing.end;
  }
  return ends;
}

std::vector<std::string> RunFolder::rewind_logs(const std::map<std::string, LogPosition>& ends) {
  std::vector<std::string> changed;
  for (auto& [name, growing] : files_) {
    const auto [size, crc] = ends.at(name);
    const std::string text = read_text(file(name));
    const bool longer = std::ssize(text) >= size;
    growing.end = {size, longer ? crc32_of(text.data(), size) : 0};
    if (!longer || growing.end.crc != crc) {
      growing.end = {};
      changed.push_back(name);
    }
    if (ftruncate(growing.descriptor, growing.end.size) != 0) fail_system(file(name), "cut back");
  }
  return changed;
}

void RunFolder::forget_summary_after(int64_t step) {
  if (summary_count(path_, "steps") > step) fs::remove(file("summary.json"));
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
            "--resume {}: no such folder; name a run folder, such as runs/vision/0001-...", path);
  if (fs::exists(folder + "/config.toml")) return {folder, folder + "/checkpoints/last"};
  const fs::path run = fs::absolute(folder).parent_path().parent_path();
  if (fs::exists(folder + "/training.json") && fs::exists(run / "config.toml")) {
    return {run.string(), folder};
  }
  fail_input(
      "--resume {}: neither a run folder (no config.toml) nor one of its checkpoints; name one "
      "that train made, or start a new run",
      path);
}

}  // namespace gmlp
