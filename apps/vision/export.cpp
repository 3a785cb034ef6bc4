// gmlp-vision export: a checkpoint for other programs, without the training state.
//
//   timm   a folder: config.json and model.safetensors, unchanged
//   onnx   a file: the model as a graph with its weights, for any batch size

#include <CLI/CLI.hpp>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/train/run_folder.h"
#include "apps/vision/commands.h"
#include "apps/vision/onnx_model.h"
#include "apps/vision/weights.h"
#include "core/error.h"
#include "core/io/file.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWeights = "model.safetensors";

struct ExportOptions {
  std::string model, format, out;
  bool overwrite = false;
};

/// Throws InputError if --out may not be written. Only a folder that an export could have written
/// is ever replaced.
void check_out(const std::string& out, bool overwrite, bool onnx) {
  const auto refuse = [&](bool if_true, const std::string& reason) {
    if (if_true) fail_input("--out {}: {}", out, reason);
  };
  const bool exists = fs::exists(out), folder = fs::is_directory(out);
  if (onnx) {
    refuse(!out.ends_with(".onnx"), "an ONNX file must be named *.onnx; choose such a name");
    refuse(folder, "is a folder; name a file");
    refuse(exists && !overwrite, "exists; choose another, or add --overwrite");
    return;
  }
  const std::string temporary = temporary_for(out);
  refuse(exists && !folder, "is a file; --format timm writes a folder, name one");
  refuse(fs::exists(temporary), temporary + " exists; remove it");
  if (!exists || fs::is_empty(out)) return;
  refuse(!overwrite, "is not empty; choose another folder, or add --overwrite");
  for (const fs::directory_entry& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    refuse(name != kConfigFile && name != kWeights,
           "contains " + name + ", which no export wrote; choose another folder");
  }
}

/// Copies the two files byte for byte: a checkpoint already has timm's format.
void export_timm(const ExportOptions& options, const LoadedModel& loaded) {
  const VisionConfig& config = loaded.model->config();
  if (config.class_token || config.gate != Gate::kSplit) {
    fail_input("--format timm: timm's gMLP has no {}, but {} has one; use --format onnx",
               config.class_token ? "class token" : gate_name(config.gate) + std::string(" gate"),
               config.name);
  }
  const std::string weights = read_text(options.model + "/" + kWeights);
  save_checkpoint({{{kConfigFile, loaded.config}, {kWeights, weights}}}, options.out);
  fmt::print("written  {}: {}, {}\n", options.out, kConfigFile, kWeights);
  // create_model knows only the paper's three sizes; its class accepts any.
  constexpr const char* kByName = "next     timm.create_model('local-dir:{0}', pretrained=True)\n";
  constexpr const char* kByClass = R"(next     import json, safetensors.torch
         from timm.models.mlp_mixer import GatedMlp, MlpMixer, SpatialGatingBlock
         args = json.load(open('{0}/config.json'))['model_args']
         model = MlpMixer({1}, block_layer=SpatialGatingBlock, mlp_layer=GatedMlp, **args)
         model.load_state_dict(safetensors.torch.load_file('{0}/model.safetensors'))
)";
  fmt::print(fmt::runtime(is_timms(config) ? kByName : kByClass), options.out, config.classes);
}

void export_onnx(const ExportOptions& options, const LoadedModel& loaded) {
  const VisionConfig& config = loaded.model->config();
  const std::string bytes = onnx_model(*loaded.model, loaded.config);
  write_file_atomic(options.out, bytes);
  fmt::print(
      "written  {}: {} bytes\n"
      "input    images (batch, {}, {}, {}), float32: (pixels of 0 to 1 - mean {}) / std {}\n"
      "output   logits (batch, {})\n",
      options.out, grouped(static_cast<int64_t>(bytes.size())), config.chans, config.img_height,
      config.img_width, fmt::join(loaded.transform.mean, " "), fmt::join(loaded.transform.std, " "),
      config.classes);
}

}  // namespace

int run_export(const std::vector<std::string>& arguments) {
  ExportOptions options;
  CLI::App app("Write a model for other programs", "gmlp-vision export");
  add_config_option(app);
  app.add_option("--model", options.model, "Checkpoint folder")->required()->type_name("DIR");
  app.add_option("--format", options.format, "timm (a folder) or onnx (a float32 file)")
      ->required()
      ->check(CLI::IsMember({"timm", "onnx"}));
  app.add_option("--out", options.out, "Output folder or file")->required()->type_name("PATH");
  app.add_flag("--overwrite", options.overwrite, "Replace an existing export");
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  while (options.out.size() > 1 && options.out.back() == '/') options.out.pop_back();
  const bool onnx = options.format == "onnx";
  check_out(options.out, options.overwrite, onnx);

  const LoadedModel loaded = load_model(options.model);
  make_folders(fs::absolute(options.out).parent_path().string());
  fmt::print("model    {}, {} parameters\n", loaded.model->config().name,
             grouped(loaded.model->config().parameter_count()));
  onnx ? export_onnx(options, loaded) : export_timm(options, loaded);
  return kExitSuccess;
}

}  // namespace gmlp
