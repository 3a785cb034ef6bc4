#include "apps/train/run_folder.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apps/train/options.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

/// All that a run writes; --overwrite removes these names and no other.
constexpr const char* kRunFiles[] = {
    "config.toml",  "environment.json", "log.txt",     "metrics.csv", "steps.jsonl",
    "summary.json", "results.svg",      "filters.png", "filters.svg", "checkpoints"};

void make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    fail_run("{}: the folder could not be made: {}; choose another --out", path, error.message());
  }
}

/// Letters, digits, '-', '_' and '.'; of a path only its last part.
std::string folder_word(const std::string& text) {
  std::string word = fs::path(text).stem().string();
  if (word.empty()) word = fs::path(text).parent_path().filename().string();
  for (char& c : word) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '-';
  }
  return word.empty() ? "run" : word;
}

int64_t next_run_number(const std::string& parent) {
  int64_t highest = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(parent)) {
    const std::string name = entry.path().filename().string();
    const size_t digits = name.find_first_not_of("0123456789");
    if (digits == std::string::npos || digits == 0 || digits > 9) continue;
    highest = std::max<int64_t>(highest, std::stoll(name.substr(0, digits)));
  }
  return highest + 1;
}

/// mkdir decides between two runs that start at the same time; the loser takes the next number.
std::string create_numbered(const NewFolder& asked) {
  const std::string parent = "runs/" + asked.kind;
  make_folders(parent);
  while (true) {
    std::string path = fmt::format("{}/{:04}-{}-{}", parent, next_run_number(parent),
                                   folder_word(asked.model), folder_word(asked.data));
    if (mkdir(path.c_str(), 0777) == 0) return path;
    if (errno != EEXIST) {
      fail_run("{}: the folder could not be made: {}", path, std::strerror(errno));
    }
  }
}

/// Whether `path` names `folder` or something below it, whatever links lead there.
bool lies_in(const std::string& path, const std::string& folder) {
  if (path.empty()) return false;
  const fs::path way = fs::weakly_canonical(path).lexically_relative(fs::weakly_canonical(folder));
  return !way.empty() && *way.begin() != "..";
}

/// Whether the run came to its end: one that its --time-limit stopped has a summary, too, and is to
/// go on.
bool is_finished(const std::string& folder) {
  const int64_t steps = summary_count(folder, "steps");
  return steps >= 0 && steps == summary_count(folder, "total_steps");
}

}  // namespace

int64_t summary_count(const std::string& folder, const char* name) {
  const std::string path = folder + "/summary.json";
  if (!fs::exists(path)) return -1;
  const nlohmann::ordered_json summary = parse_json(read_text(path), path);
  const bool there = summary.is_object() && summary.contains(name);
  return there && summary.at(name).is_number_integer() ? summary.at(name).get<int64_t>() : -1;
}

std::string numbered_run(const std::string& folder, int64_t number) {
  return fmt::format("{}/run-{}", folder, number);
}

AppendFile::AppendFile(const std::string& path) : path_(path) {
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_run("{}: could not be opened: {}", path, std::strerror(errno));
  size_ = lseek(descriptor_, 0, SEEK_END);
}

AppendFile::~AppendFile() {
  close(descriptor_);
}

void AppendFile::line(std::string_view line) {
  std::string bytes(line);
  bytes += '\n';
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t wrote = write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail_run("{}: could not be written: {}", path_, std::strerror(errno));
    done += static_cast<size_t>(wrote);
    size_ += wrote;
  }
}

void AppendFile::check_holds(int64_t size) const {
  if (size > size_) {
    fail_input("{}: holds {} bytes where the checkpoint saw {}; resume from an older checkpoint",
               path_, size_, size);
  }
}

void AppendFile::truncate(int64_t size) {
  check_holds(size);
  if (ftruncate(descriptor_, size) != 0) {
    fail_run("{}: could not be cut back: {}", path_, std::strerror(errno));
  }
  size_ = size;
}

void AppendFile::sync() {
  if (fsync(descriptor_) != 0 && errno != EINVAL) {
    fail_run("{}: could not be flushed to the disk: {}", path_, std::strerror(errno));
  }
}

std::string RunFolder::create(const NewFolder& asked) {
  const std::string& out = asked.out;
  if (out.empty()) return create_numbered(asked);
  if (fs::exists(out) && !fs::is_directory(out)) {
    fail_input("--out {}: is a file; name a folder", out);
  }
  if (fs::exists(out) && !fs::is_empty(out)) {
    if (!asked.overwrite) {
      fail_input(
          "--out {}: is not empty; continue its run with --resume {}, empty it with --overwrite, "
          "or choose another folder",
          out, out);
    }
    if (lies_in(asked.weights, out)) {
      fail_input(
          "--out {}: the run starts from {}, which --overwrite would remove; choose another folder",
          out, asked.weights);
    }
    for (const char* name : kRunFiles) fs::remove_all(fs::path(out) / name);
    for (int64_t i = 1; fs::is_directory(numbered_run(out, i)); ++i) {
      fs::remove_all(numbered_run(out, i));
    }
  }
  make_folders(out);
  return out;
}

RunFolder::RunFolder(const std::string& path)
    : path_(path),
      log_(path + "/log.txt"),
      metrics_(path + "/metrics.csv"),
      steps_(path + "/steps.jsonl") {
  make_folders(checkpoints());
}

std::map<std::string, int64_t> RunFolder::sync_offsets() {
  log_.sync();
  metrics_.sync();
  steps_.sync();
  return {
      {"log.txt", log_.size()}, {"metrics.csv", metrics_.size()}, {"steps.jsonl", steps_.size()}};
}

void RunFolder::check_offsets(const std::map<std::string, int64_t>& offsets) const {
  log_.check_holds(offsets.at("log.txt"));
  metrics_.check_holds(offsets.at("metrics.csv"));
  steps_.check_holds(offsets.at("steps.jsonl"));
}

void RunFolder::forget_summary_after(int64_t step) {
  if (summary_count(path_, "steps") <= step) return;
  std::error_code error;
  fs::remove(file("summary.json"), error);
  if (error) {
    fail_run("{}: could not be removed: {}; make the folder writable and resume again",
             file("summary.json"), error.message());
  }
}

void RunFolder::truncate(const std::map<std::string, int64_t>& offsets) {
  log_.truncate(offsets.at("log.txt"));
  metrics_.truncate(offsets.at("metrics.csv"));
  steps_.truncate(offsets.at("steps.jsonl"));
}

RunState run_state(const std::string& folder, const std::string& config) {
  const std::string found = folder + "/config.toml";
  if (fs::exists(found) && binding_options(read_text(found)) != binding_options(config)) {
    fail_input("{}: is a run with other options; choose another --out, or remove it", folder);
  }
  if (is_finished(folder)) return RunState::kDone;
  return fs::exists(folder + "/checkpoints/last") ? RunState::kSaved : RunState::kUnsaved;
}

ResumePoint find_resume_point(const std::string& path) {
  std::string folder = path;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  if (!fs::is_directory(folder)) {
    fail_input("--resume {}: no such folder; name a run folder, such as runs/vision/0001-...",
               path);
  }
  if (fs::exists(folder + "/config.toml")) return {folder, folder + "/checkpoints/last"};
  const fs::path run = fs::absolute(folder).parent_path().parent_path();
  if (fs::exists(folder + "/training.json") && fs::exists(run / "config.toml")) {
    return {run.string(), folder};
  }
  fail_input("--resume {}: neither a run folder (no config.toml) nor one of its checkpoints", path);
}

}  // namespace gmlp
