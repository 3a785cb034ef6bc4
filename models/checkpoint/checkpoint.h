#pragma once
// A checkpoint: a folder that is whole or absent, and that proves it when it is opened.
//
//   model.safetensors     the weights that are evaluated (the average, if there is one)
//   config.json           architecture, class names; read by timm
//   (tokenizer file)      language: as Tokenizer::file_name() calls it
//   training.safetensors  m.NAME, v.NAME: AdamW's moments; raw.NAME: the weights behind an average
//   training.json         {"crc32":"1a2b3c4d",   CRC-32 of all the bytes after this line
//                          "files": {...},       bytes and CRC-32 of each file
//                          ...}                  the state of the run
//
// Killed at any moment, or out of disk, the folder is the old one or the new one (core/io/file.h).

#include <optional>
#include <string>
#include <vector>

#include "core/io/safetensors.h"

namespace gmlp {

constexpr const char* kConfigFile = "config.json";
constexpr const char* kStateFile = "training.json";

/// The files of a checkpoint, ready to be written any number of times.
struct CheckpointFile {
  std::string name;
  std::string bytes;
};
using CheckpointBytes = std::vector<CheckpointFile>;

struct CheckpointContent {
  std::vector<NamedTensor> model;
  std::vector<NamedTensor> training;
  std::string config;      // config.json
  CheckpointBytes others;  // a tokenizer's file
  std::string state;       // a JSON object: training.json without "crc32" and "files"
};
CheckpointBytes checkpoint_bytes(const CheckpointContent& content);

/// Writes `files` as folder `path`. Throws RunError (a full disk) and keeps the previous folder.
void save_checkpoint(const CheckpointBytes& files, const std::string& path);

/// An empty folder in which `path` is prepared. Throws RunError.
std::string make_temporary_folder(const std::string& path);

/// An opened checkpoint, verified.
struct Checkpoint {
  std::string config;  // config.json
  std::string state;   // training.json, empty if there is none
  SafetensorsFile model;
  std::optional<SafetensorsFile> training;
};

/// Opens and verifies. With training.json every file is compared with its checksums; damage is an
/// InputError that names file and tensor. Without it (another program's folder) only the formats
/// are checked.
Checkpoint open_checkpoint(const std::string& folder);

/// The config.json in a checkpoint folder. Throws InputError if there is none; for a run folder it
/// says where the checkpoints are.
std::string config_path(const std::string& folder);

/// training.json: `json`, an object, after a first line with the CRC-32 of all that follows.
std::string add_checksum(const std::string& json);
/// Returns `text`. Throws InputError naming `path` if a byte has changed.
const std::string& verify_checksum(const std::string& text, const std::string& path);

}  // namespace gmlp
