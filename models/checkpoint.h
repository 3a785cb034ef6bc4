#pragma once
// Checkpoints: folders that are whole or absent, and that prove it when they are opened.
//
//   model.safetensors     the weights that are evaluated (the average, when there is one)
//   config.json           architecture, class names; read by timm
//   (tokenizer file)      language: as Tokenizer::file_name() calls it
//   training.safetensors  m.NAME, v.NAME: AdamW's moments; raw.NAME: the weights behind an average
//   training.json         {"crc32":"1a2b3c4d",     CRC-32 of all the bytes after this line
//                          "files": {...},         bytes and CRC-32 of each file, CRC-32 of each
//                          tensor
//                          ...}                    where the run stands
//
// Saving prepares the folder beside its place, flushes it to the disk and then exchanges the two
// names (core/io/file.h): killed at any moment, or out of disk, the folder is the old one or the
// new one.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/io/safetensors.h"

namespace gmlp {

/// Its files, ready to be written, as many times as wanted.
struct CheckpointBytes {
  struct File {
    std::string name;
    std::string bytes;
  };
  std::vector<File> files;
};

/// What a checkpoint holds.
struct CheckpointContent {
  std::vector<NamedTensor> model;
  std::vector<NamedTensor> training;
  std::string config;                         // config.json
  std::vector<CheckpointBytes::File> others;  // a tokenizer's file
  std::string state;  // a JSON object: what training.json says beside "crc32" and "files"
};
CheckpointBytes checkpoint_bytes(const CheckpointContent& content);

/// Writes `bytes` as folder `path`. Throws RunError (a full disk); then the previous one stands.
void save_checkpoint(const CheckpointBytes& bytes, const std::string& path);

/// The checkpoints of one run: last, best, and the step-N that were last before.
class CheckpointStore {
 public:
  /// `folder` is RUN/checkpoints. Repairs what a killed save left: temporaries go, a folder that
  /// was being replaced comes back.
  CheckpointStore(const std::string& folder, int64_t history);

  std::string last() const { return folder_ + "/last"; }
  std::string best() const { return folder_ + "/best"; }
  void save_best(const CheckpointBytes& bytes) { save_checkpoint(bytes, best()); }
  /// Keeps the previous `last` as step-N, N its step, and removes the oldest beyond the history.
  void save_last(const CheckpointBytes& bytes, int64_t step);

  // A run that starts over from the checkpoint folder `from` takes back what lies after it. Killed
  // at any moment, `from` stands and `last` is a whole checkpoint of its own step.
  /// Removes step-N after `step`, the step of `from`; a later `last` becomes a copy of `from`.
  void forget_after(const std::string& from, int64_t step);
  /// Makes `best` the checkpoint of `step`, where it is that of another: from whichever checkpoint
  /// still has that step. False when none has.
  bool restore_best(const std::string& from, int64_t step);
  void drop_best();

 private:
  void keep_last();
  std::vector<int64_t> kept_steps() const;  // ascending
  std::string step_folder(int64_t step) const;

  std::string folder_;
  int64_t history_;
  int64_t last_step_ = -1;  // of `last`; -1: of no known step, so it is not kept
};

/// An opened checkpoint, verified.
struct Checkpoint {
  std::string folder;
  std::string config;  // config.json
  std::string state;   // training.json, empty when there is none
  SafetensorsFile model;
  std::optional<SafetensorsFile> training;
};

/// The config.json in a checkpoint folder. Throws InputError where there is none; of a run folder,
/// which a hasty user names, it says where its checkpoints are.
std::string config_path(const std::string& folder);

/// Opens and verifies. With training.json every file is compared with its checksums; damage is an
/// InputError that names file and tensor. Without it (a folder of another program) nothing is
/// verified beyond the formats.
Checkpoint open_checkpoint(const std::string& folder);

}  // namespace gmlp
