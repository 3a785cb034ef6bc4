#include "apps/train/checkpoint_store.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

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

bool same_folder(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return fs::equivalent(a, b, ignored);
}

}  // namespace

CheckpointStore::CheckpointStore(const std::string& folder, int64_t history)
    : folder_(folder), history_(history) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const fs::path& path = entry.path();
    if (path.extension() != ".tmp" && path.extension() != ".old") continue;
    recover_folder((path.parent_path() / path.stem()).string());
  }
}

std::vector<int64_t> CheckpointStore::kept_steps() const {
  std::vector<int64_t> steps;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    int64_t step = -1;
    std::sscanf(entry.path().filename().c_str(), "step-%18" SCNd64, &step);
    if (step >= 0 && entry.path().string() == step_folder(step)) steps.push_back(step);
  }
  std::ranges::sort(steps);
  return steps;
}

void CheckpointStore::save_last(const CheckpointBytes& bytes, int64_t step) {
  const std::optional<int64_t> before = step_of(last());
  // A second name, so that `last` can be loaded throughout.
  if (history_ > 0 && before && *before != step) copy_checkpoint(last(), step_folder(*before));
  save_checkpoint(bytes, last());
  const std::vector<int64_t> steps = kept_steps();
  const int64_t surplus = std::ssize(steps) - history_;
  for (int64_t i = 0; i < surplus; ++i) fs::remove_all(step_folder(steps[static_cast<size_t>(i)]));
}

void CheckpointStore::forget_after(const std::string& from, int64_t step) {
  const std::optional<int64_t> found = step_of(last());
  // Equal steps too: a user who names another folder may have found `last` to be damaged.
  if (!same_folder(from, last()) && (!found || *found >= step)) copy_checkpoint(from, last());
  for (const int64_t kept : kept_steps()) {
    const std::string folder = step_folder(kept);
    if (kept > step && !same_folder(from, folder)) drop_checkpoint(folder);
  }
}

bool CheckpointStore::restore_best(const std::string& from, int64_t step) {
  if (step_of(best()) == step) return true;
  for (const std::string& folder : {from, step_folder(step)}) {
    if (step_of(folder) != step) continue;
    copy_checkpoint(folder, best());
    return true;
  }
  return false;
}

void CheckpointStore::keep_best(int64_t step) {
  if (step_of(best()) == step) copy_checkpoint(best(), step_folder(step));
}

void CheckpointStore::drop_best() {
  drop_checkpoint(best());
}

}  // namespace gmlp
