#include "models/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "models/checkpoint_manifest.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kConfigFile = "config.json";
constexpr const char* kTrainingFile = "training.safetensors";
constexpr const char* kStateFile = "training.json";

std::string tensors_text(const std::vector<NamedTensor>& tensors) {
  const std::vector<char> bytes = to_safetensors(tensors, {{"format", "pt"}});
  return {bytes.begin(), bytes.end()};
}

/// The same file under a second name; a copy where the file system has no links.
void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (error) write_file_synced(to.string(), read_text(from.string()));
}

/// An empty folder to prepare `path` in.
std::string make_temporary(const std::string& path) {
  std::string temporary = temporary_for(path);
  std::error_code error;
  fs::remove_all(temporary, error);
  fs::create_directory(temporary, error);
  if (error) {
    fail_run("{}: the folder could not be made: {}; make the folder above it writable", temporary,
             error.message());
  }
  return temporary;
}

/// Checkpoint `from` under a second name; both stand, and what `to` was is replaced in one step.
void copy_checkpoint(const std::string& from, const std::string& to) {
  const std::string temporary = make_temporary(to);
  for (const fs::directory_entry& entry : fs::directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    link_or_copy(entry.path(), fs::path(temporary) / entry.path().filename());
  }
  replace_folder(temporary, to);
}

/// Removes a checkpoint; killed in between, none is left half removed under its name.
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

/// What its training.json says; nothing when there is none or it is damaged.
std::optional<int64_t> step_of(const std::string& folder) {
  const std::string path = folder + "/" + kStateFile;
  try {
    return verify_checksum(read_text(path), path).at("step").get<int64_t>();
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

CheckpointBytes checkpoint_bytes(const CheckpointContent& content) {
  CheckpointBytes bytes;
  bytes.files.push_back({kModelFile, tensors_text(content.model)});
  bytes.files.push_back({kTrainingFile, tensors_text(content.training)});
  bytes.files.push_back({kConfigFile, content.config});

  Json state = parse_json(content.state, "training.json");
  state["files"] = {{kModelFile, describe_tensors(bytes.files[0].bytes, content.model)},
                    {kTrainingFile, describe_tensors(bytes.files[1].bytes, content.training)},
                    {kConfigFile, describe_file(content.config)}};
  for (const CheckpointBytes::File& file : content.others) {
    bytes.files.push_back(file);
    state["files"][file.name] = describe_file(file.bytes);
  }
  bytes.files.push_back({kStateFile, add_checksum(state)});
  return bytes;
}

void save_checkpoint(const CheckpointBytes& bytes, const std::string& path) {
  const std::string temporary = make_temporary(path);
  try {
    for (const CheckpointBytes::File& file : bytes.files) {
      write_file_synced(temporary + "/" + file.name, file.bytes);
    }
    replace_folder(temporary, path);
  } catch (...) {
    // Half a checkpoint helps nobody, and its space is needed.
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

CheckpointStore::CheckpointStore(const std::string& folder, int64_t history)
    : folder_(folder), history_(history) {
  recover_folder(last());
  recover_folder(best());
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    const bool kept_before = name.starts_with("step-") && name.find(".old") != std::string::npos;
    if (kept_before || name.find(".tmp") != std::string::npos) fs::remove_all(entry.path());
  }
}

std::string CheckpointStore::step_folder(int64_t step) const {
  return fmt::format("{}/step-{}", folder_, step);
}

std::vector<int64_t> CheckpointStore::kept_steps() const {
  std::vector<int64_t> steps;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("step-", 0) != 0) continue;
    const std::string digits = name.substr(5);
    if (digits.empty() || digits.size() > 18) continue;
    if (digits.find_first_not_of("0123456789") != std::string::npos) continue;
    steps.push_back(std::stoll(digits));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void CheckpointStore::keep_last() {
  // `last` keeps standing while its files get a second name, so there is a loadable one throughout.
  copy_checkpoint(last(), step_folder(last_step_));
}

void CheckpointStore::save_last(const CheckpointBytes& bytes, int64_t step) {
  if (history_ > 0 && last_step_ >= 0 && last_step_ != step && fs::exists(last())) keep_last();
  save_checkpoint(bytes, last());
  last_step_ = step;
  const std::vector<int64_t> steps = kept_steps();
  const int64_t surplus = static_cast<int64_t>(steps.size()) - history_;
  for (int64_t i = 0; i < surplus; ++i) {
    fs::remove_all(step_folder(steps[static_cast<size_t>(i)]));
  }
}

void CheckpointStore::forget_after(const std::string& from, int64_t step) {
  const std::optional<int64_t> found = step_of(last());
  // Equal steps too: whoever names another folder may have found `last` to be damaged.
  if (!same_folder(from, last()) && (!found || *found >= step)) copy_checkpoint(from, last());
  last_step_ = step_of(last()).value_or(-1);
  for (int64_t kept : kept_steps()) {
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

void CheckpointStore::drop_best() {
  drop_checkpoint(best());
}

std::string config_path(const std::string& folder) {
  std::string path = folder + "/" + kConfigFile;
  if (!fs::exists(path) && fs::is_directory(folder + "/checkpoints")) {
    fail_input("{0}: is a run folder; name a checkpoint of it, such as {0}/checkpoints/best",
               folder);
  }
  if (!fs::exists(path)) {
    fail_input("{}: does not exist; name a folder with {} and {}", path, kModelFile, kConfigFile);
  }
  return path;
}

Checkpoint open_checkpoint(const std::string& folder) {
  if (!fs::is_directory(folder)) {
    fail_input("{}: no such checkpoint; name a folder with {} and {}", folder, kModelFile,
               kConfigFile);
  }
  Checkpoint checkpoint;
  checkpoint.folder = folder;
  const std::string state_path = folder + "/" + kStateFile;
  if (fs::exists(state_path)) {
    checkpoint.state = read_text(state_path);
    const Json state = verify_checksum(checkpoint.state, state_path);
    for (const auto& [name, description] : state.at("files").items()) {
      verify_file(folder, name, description);
    }
    checkpoint.training = SafetensorsFile::open(folder + "/" + kTrainingFile);
  }
  checkpoint.config = read_text(config_path(folder));
  checkpoint.model = SafetensorsFile::open(folder + "/" + kModelFile);
  return checkpoint;
}

}  // namespace gmlp
