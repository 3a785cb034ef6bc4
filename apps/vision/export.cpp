// gmlp-vision export: a checkpoint for other programs, without the training state.
//
//   timm   a folder: config.json and model.safetensors, unchanged, and a model card
//   onnx   a file: the model as a graph with its weights, for any batch size

#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/export/onnx_model.h"
#include "apps/train/run_folder.h"
#include "apps/vision/commands.h"
#include "apps/vision/model_card.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kCard = "README.md";

/// Throws InputError if the folder --out may not be written. Only one that an export could have
/// written is ever replaced.
void check_folder(const std::string& out, bool overwrite) {
  const std::string temporary = temporary_for(out);
  refuse_if(fs::exists(temporary), "--out {}: {} exists; remove it", out, temporary);
  if (!fs::exists(out)) return;
  refuse_if(!fs::is_directory(out), "--out {}: is a file; --format timm writes a folder, name one",
            out);
  for (const fs::directory_entry& entry : fs::directory_iterator(out)) {
    const std::string name = entry.path().filename().string();
    refuse_if(!overwrite, "--out {}: is not empty; choose another folder, or add --overwrite", out);
    refuse_if(name != kConfigFile && name != kWeights && name != kCard,
              "--out {}: contains {}, which no export wrote; choose another folder", out, name);
  }
}

/// What both exports say about the model.
TemplateValues model_facts(const Classifier& loaded) {
  const VisionConfig& config = loaded.model->config();
  return {{"producer", "gmlp " GMLP_VERSION},
          {"task", "image-classification"},
          {"model", config.name},
          {"imgsz", fmt::format("[{}, {}]", config.img_height, config.img_width)},
          {"channels", std::to_string(config.chans)},
          {"mean", fmt::format("{}", loaded.transform.mean)},
          {"std", fmt::format("{}", loaded.transform.std)},
          {"crop_pct", fmt::format("{}", loaded.transform.crop_fraction)},
          {"interpolation", "bicubic"},
          {"parameters", std::to_string(config.parameter_count())},
          {"classes", std::to_string(config.classes)}};
}

/// Text of a file in a Markdown table: no markup, no HTML, no end of the line or cell.
std::string plain(const std::string& text) {
  static const std::regex markup(R"([\\`*[\]<>&|~$#!]|\b_|_\b)");
  return std::regex_replace(printable(text), markup, "\\$&");
}

/// The recipe of a checkpoint, and from its run's summary the data and, if it is of this step, the
/// score. What is unknown stays empty.
void describe_training(const std::string& folder, TemplateValues& values) {
  std::string path = folder + "/" + kStateFile;
  for (const char* name : {"names", "recipe", "data", "score"}) values.try_emplace(name);
  if (!fs::exists(path)) return;
  try {
    const Json state = read_json(path);
    for (const char* name :
         {"epochs", "max-steps", "batch-size", "grad-accum-steps", "lr", "sched", "weight-decay",
          "aug", "smoothing", "mixup", "cutmix", "drop-path", "model-ema", "precision", "seed"}) {
      std::string value = state.at("options").value(name, "0");
      std::erase(value, '"');
      if (value == "0" || value == "false") continue;
      values["recipe"] += (values["recipe"].empty() ? "" : ", ") + (name + (" " + plain(value)));
    }
    path = (fs::absolute(folder) / "../../summary.json").lexically_normal().string();
    if (!fs::exists(path)) return;
    const Json summary = read_json(path), best = summary.value("best", Json::object());
    values["data"] = plain(summary.at("data"));
    if (best.value("step", -1) != state.at("step")) return;
    values["score"] = fmt::format(
        "top-1 {:.2f} ± {:.2f} % (standard error), loss {:.4f}, after epoch {}",
        best.at("val_top1").get<double>(), best.at("val_top1_standard_error").get<double>(),
        best.at("val_loss").get<double>(), best.at("epoch").get<int64_t>());
  } catch (const Json::exception& error) {
    fail_input("{}: {}; restore the file, or move it away", path, json_reason(error));
  }
}

std::string model_card(const Classifier& loaded, const std::string& folder) {
  constexpr size_t kShownNames = 20;
  const std::vector<std::string>& names = loaded.label_names;
  TemplateValues values = model_facts(loaded);
  values["model"] = plain(values["model"]);
  for (const Arch arch : {Arch::kGmlp, Arch::kTransformer, Arch::kMixer}) {
    values[kVisionArchs.name(arch)] = loaded.model->config().arch == arch ? "yes" : "";
  }
  // create_model knows only the papers' sizes; timm's classes accept any.
  values["by_name"] = is_timms(loaded.model->config()) ? "yes" : "";
  for (size_t c = 0; c < std::min(kShownNames, names.size()); ++c) {
    values["names"] += (c == 0 ? ": " : ", ") + plain(names[c]);
  }
  if (names.size() > kShownNames) values["names"] += ", …";
  describe_training(folder, values);
  return fill_in_template(kCardText, values);
}

/// Copies the two files byte for byte: a checkpoint already has timm's format.
void export_timm(const ExportOptions& options, const Classifier& loaded) {
  const VisionConfig& config = loaded.model->config();
  refuse_if(config.arch == Arch::kGmlp && (config.class_token || config.gate != Gate::kSplit),
            "--format timm: timm's gMLP has no {}, but {} has one; use --format onnx",
            config.class_token ? "class token" : kGates.name(config.gate) + std::string(" gate"),
            config.name);
  const std::string weights = read_text(options.model + "/" + kWeights);
  const std::string card = model_card(loaded, options.model);
  save_checkpoint({{{kConfigFile, loaded.config}, {kWeights, weights}, {kCard, card}}},
                  options.out);
  fmt::print(
      "written  {0}: {1}, {2}, {3}\n"
      "next     {0}/{3} has the Python that loads it in timm\n",
      options.out, kConfigFile, kWeights, kCard);
}

void export_onnx(const ExportOptions& options, const Classifier& loaded) {
  TemplateValues metadata = model_facts(loaded);
  metadata["config.json"] = loaded.config;
  if (!loaded.label_names.empty()) metadata["names"] = onnx_names(loaded.label_names);
  const std::string bytes = onnx_model(*loaded.model, metadata);
  write_file_atomic(options.out, bytes);
  const VisionConfig& config = loaded.model->config();
  fmt::print(
      "written  {}: {} bytes\n"
      "input    images (batch, {}, {}, {}), float32: (pixels of 0 to 1 - mean {}) / std {}\n"
      "output   logits (batch, {})\n",
      options.out, grouped(std::ssize(bytes)), config.chans, config.img_height, config.img_width,
      metadata["mean"], metadata["std"], config.classes);
}

}  // namespace

int run_export(const std::vector<std::string>& arguments) {
  const ExportOptions options = parse_export("gmlp-vision", {"timm", "onnx"},
                                             "timm (a folder) or onnx (a float32 file)", arguments);
  const bool onnx = options.format == "onnx";
  if (!onnx) check_folder(options.out, options.overwrite);
  const Classifier loaded = load_classifier(options.model);
  make_folders(fs::absolute(options.out).parent_path().string());
  fmt::print("model    {}, {} parameters\n", printable(loaded.model->config().name),
             grouped(loaded.model->config().parameter_count()));
  onnx ? export_onnx(options, loaded) : export_timm(options, loaded);
  return kExitSuccess;
}

}  // namespace gmlp
