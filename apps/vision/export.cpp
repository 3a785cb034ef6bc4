// gmlp-vision export: a checkpoint for other programs, without what training needs.
//
//   timm   a folder: config.json and model.safetensors, as they are in the checkpoint
//   onnx   one file: the model as a graph of operators, weights inside, any batch size

#include <CLI/CLI.hpp>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/config_file.h"
#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/vision/commands.h"
#include "apps/vision/onnx_model.h"
#include "apps/vision/weights.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kTimmFiles[] = {"config.json", "model.safetensors"};

struct ExportOptions {
  std::string model;
  std::string format;
  std::string out;
  bool overwrite = false;
};

void check_file(const ExportOptions& options) {
  if (!options.out.ends_with(".onnx")) {
    fail_input("--out {}: an ONNX model is kept in a file named *.onnx; name it so", options.out);
  }
  if (fs::is_directory(options.out)) {
    fail_input("--out {}: is a folder; name a file", options.out);
  }
  if (fs::exists(options.out) && !options.overwrite) {
    fail_input("--out {}: is there already; choose another name, or replace it with --overwrite",
               options.out);
  }
}

/// Only a folder that an export could have written is ever replaced.
void check_folder(const ExportOptions& options) {
  if (fs::exists(options.out) && !fs::is_directory(options.out)) {
    fail_input("--out {}: is a file; --format timm writes a folder, name one", options.out);
  }
  if (fs::exists(temporary_for(options.out))) {
    fail_input("--out {}: {}, where it would be prepared, is there already; remove that",
               options.out, temporary_for(options.out));
  }
  if (!fs::exists(options.out) || fs::is_empty(options.out)) return;
  if (!options.overwrite) {
    fail_input("--out {}: is not empty; choose another folder, or replace it with --overwrite",
               options.out);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(options.out)) {
    const std::string name = entry.path().filename().string();
    if (name != kTimmFiles[0] && name != kTimmFiles[1]) {
      fail_input("--out {}: {} in it is of no export, so it is not replaced; choose another folder",
                 options.out, name);
    }
  }
}

void make_parent(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  std::error_code error;
  if (!parent.empty()) fs::create_directories(parent, error);
  if (error) {
    fail_run("{}: the folder could not be made: {}; choose another --out", parent.string(),
             error.message());
  }
}

/// The two files, byte for byte: they are timm's from the start.
void export_timm(const ExportOptions& options, const VisionConfig& config) {
  if (config.class_token || config.gate != Gate::kSplit) {
    fail_input("--format timm: timm's gMLP has no {}, {} has; use --format onnx",
               config.class_token ? "class token" : gate_name(config.gate) + std::string(" gate"),
               config.name);
  }
  const std::string temporary = temporary_for(options.out);
  std::error_code error;
  fs::create_directory(temporary, error);
  if (error) fail_run("{}: the folder could not be made: {}", temporary, error.message());
  try {
    for (const char* name : kTimmFiles) {
      write_file_synced(temporary + "/" + name, read_text(options.model + "/" + name));
    }
    replace_folder(temporary, options.out);
  } catch (...) {
    fs::remove_all(temporary, error);
    throw;
  }
  fmt::print("written  {}: {}\n", options.out, fmt::join(kTimmFiles, ", "));
  if (is_timms(config)) {
    fmt::print("next     timm.create_model('local-dir:{}', pretrained=True)\n", options.out);
    return;
  }
  // create_model makes no other sizes than the paper's three; the class behind it does.
  fmt::print(
      "next     import json, safetensors.torch\n"
      "         from timm.models.mlp_mixer import GatedMlp, MlpMixer, SpatialGatingBlock\n"
      "         args = json.load(open('{0}/config.json'))['model_args']\n"
      "         model = MlpMixer({1}, block_layer=SpatialGatingBlock, mlp_layer=GatedMlp, **args)\n"
      "         model.load_state_dict(safetensors.torch.load_file('{0}/model.safetensors'))\n",
      options.out, config.classes);
}

void export_onnx(const ExportOptions& options, const LoadedModel& loaded) {
  const VisionConfig& config = loaded.model->config();
  const std::string bytes =
      onnx_model(*loaded.model, read_text(options.model + "/" + kTimmFiles[0]));
  write_file_atomic(options.out, bytes);
  fmt::print("written  {}: {} bytes\n", options.out, grouped(static_cast<int64_t>(bytes.size())));
  fmt::print("input    images (batch, {}, {}, {}), float32: pixels of 0 to 1, minus {}, by {}\n",
             config.chans, config.img_height, config.img_width,
             fmt::join(loaded.transform.mean, " "), fmt::join(loaded.transform.std, " "));
  fmt::print("output   logits (batch, {})\n", config.classes);
}

}  // namespace

int run_export(const std::vector<std::string>& arguments) {
  ExportOptions options;
  CLI::App app("Write a model for other programs", "gmlp-vision export");
  add_config_option(app);
  app.add_option("--model", options.model, "Checkpoint folder; its weights are those of eval")
      ->required()
      ->type_name("DIR");
  app.add_option("--format", options.format, "timm (a folder) or onnx (a file, in float32)")
      ->required()
      ->check(CLI::IsMember({"timm", "onnx"}));
  app.add_option("--out", options.out, "Where to")->required()->type_name("PATH");
  app.add_flag("--overwrite", options.overwrite, "Replace what is there");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  while (options.out.size() > 1 && options.out.back() == '/') options.out.pop_back();
  const bool onnx = options.format == "onnx";
  onnx ? check_file(options) : check_folder(options);

  const LoadedModel loaded = load_model(options.model);
  make_parent(options.out);
  fmt::print("model    {}, {} parameters\n", loaded.model->config().name,
             grouped(loaded.model->config().parameter_count()));
  if (onnx) {
    export_onnx(options, loaded);
  } else {
    export_timm(options, loaded.model->config());
  }
  return kExitSuccess;
}

}  // namespace gmlp
