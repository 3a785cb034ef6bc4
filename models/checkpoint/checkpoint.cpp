#include "models/checkpoint/checkpoint.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kTrainingFile = "training.safetensors";
constexpr const char* kRemedy =
    "use another checkpoint of the run (best, last or step-N), or copy it again";

/// Compares FOLDER/NAME with its entry of "files". Throws InputError naming the file, and the
/// damaged tensor if there is one.
void verify_file(const std::string& folder, const std::string& name, const Json& description) {
  const std::string path = folder + "/" + name;
  refuse_if(!fs::exists(path), "{}: missing, though training.json beside it names it; {}", path,
            kRemedy);
  const std::string bytes = read_text(path);
  if (hex_crc32(bytes) == description.value("crc32", "")) return;
  std::string reason =
      fmt::format("{}: damaged, its {} bytes do not match their checksum", path, bytes.size());
  try {
    if (name.ends_with(".safetensors")) SafetensorsFile::open(path);  // names the tensor
  } catch (const InputError& error) {
    reason = error.what();
  }
  fail_input("{}; {}", reason, kRemedy);
}

}  // namespace

CheckpointBytes checkpoint_bytes(const CheckpointContent& content) {
  CheckpointBytes files;
  Json state = parse_json(content.state, kStateFile);
  state["files"] = Json::object();
  const auto add = [&](const std::string& name, std::string file) {
    state["files"][name] = {{"bytes", file.size()}, {"crc32", hex_crc32(file)}};
    files.push_back({name, std::move(file)});
  };
  add(kModelFile, to_safetensors(content.model, {{"format", "pt"}}));
  add(kTrainingFile, to_safetensors(content.training, {{"format", "pt"}}));
  add(kConfigFile, content.config);
  for (const CheckpointFile& file : content.others) add(file.name, file.bytes);
  files.push_back({kStateFile, add_checksum(json_text(state))});
  return files;
}

std::string make_temporary_folder(const std::string& path) {
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

void save_checkpoint(const CheckpointBytes& files, const std::string& path) {
  const std::string temporary = make_temporary_folder(path);
  try {
    for (const CheckpointFile& file : files) {
      write_file_synced(temporary + "/" + file.name, file.bytes);
    }
    replace_folder(temporary, path);
  } catch (...) {
    // Half a checkpoint is useless, and its space is needed.
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

Checkpoint open_checkpoint(const std::string& folder) {
  refuse_if(!fs::is_directory(folder), "{}: no such checkpoint; name a folder with {} and {}",
            folder, kModelFile, kConfigFile);
  Checkpoint checkpoint;
  const std::string state_path = folder + "/" + kStateFile;
  if (fs::exists(state_path)) {
    checkpoint.state = read_text(state_path, kMaxJsonBytes);
    const Json state = parse_json(verify_checksum(checkpoint.state, state_path), state_path);
    try {
      for (const auto& [name, file] : state.at("files").items()) verify_file(folder, name, file);
    } catch (const Json::exception&) {
      fail_input("{}: its \"files\" does not describe files; {}", state_path, kRemedy);
    }
    checkpoint.training = SafetensorsFile::open(folder + "/" + kTrainingFile);
  }
  checkpoint.config = read_text(config_path(folder), kMaxJsonBytes);
  const std::string model = folder + "/" + kModelFile;
  const std::string other = folder + "/pytorch_model.bin";  // the error says how to convert it
  checkpoint.model = SafetensorsFile::open(!fs::exists(model) && fs::exists(other) ? other : model);
  return checkpoint;
}

std::string config_path(const std::string& folder) {
  std::string path = folder + "/" + kConfigFile;
  if (fs::exists(path)) return path;
  refuse_if(fs::is_directory(folder + "/checkpoints"),
            "{0}: is a run folder; name a checkpoint of it, such as {0}/checkpoints/best", folder);
  fail_input("{}: does not exist; name a folder with {} and {}", path, kModelFile, kConfigFile);
}

std::string add_checksum(const std::string& json) {
  // The checksum covers bytes, not values: a flipped bit in a blank is damage, too.
  const std::string rest = json.substr(1);
  return fmt::format("{{\"crc32\":\"{}\",{}", hex_crc32(rest), rest);
}

const std::string& verify_checksum(const std::string& text, const std::string& path) {
  const size_t first = std::string("{\"crc32\":\"01234567\",").size();
  const std::string rest = text.size() < first ? "" : text.substr(first);
  refuse_if(text != add_checksum("{" + rest), "{}: damaged, its checksum does not match; {}", path,
            kRemedy);
  return text;
}

}  // namespace gmlp
