#include "models/checkpoint/load_models.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "kernels/kernels.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

bool is_head(const std::string& name) {
  return name.starts_with("head.");
}

/// The first names of a list, for an error.
std::string some_names(const std::vector<std::string>& names) {
  constexpr size_t kShown = 8;
  if (names.empty()) return "none";
  const auto end = names.begin() + static_cast<int64_t>(std::min(names.size(), kShown));
  const std::string text = fmt::format("{}", fmt::join(names.begin(), end, ", "));
  return end == names.end() ? text : fmt::format("{} and {} more", text, names.end() - end);
}

/// The row at which the model's shorter window begins in a stored Toeplitz gate of more tokens; -1
/// if the tensor is not of one.
int64_t shorter_window_begin(const std::string& name, const Shape& shape,
                             const std::vector<int64_t>& stored) {
  if (shape.rank() != 1 || stored.size() != 1 || stored[0] <= shape[0]) return -1;
  if (name.ends_with("gate.proj.weight")) return (stored[0] - shape[0]) / 2;
  return name.ends_with("gate.proj.bias") ? 0 : -1;
}

void check_names(const std::vector<Parameter*>& parameters, const SafetensorsFile& file,
                 const WeightRules& rules) {
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::set<std::string> known;
  for (const Parameter* parameter : parameters) {
    known.insert(parameter->name);
    if (file.find(parameter->name) == nullptr) missing.push_back(parameter->name);
  }
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    if (!known.contains(entry.name)) extra.push_back(entry.name);
  }
  if (rules.new_head) {
    std::erase_if(missing, is_head);
    std::erase_if(extra, is_head);
  }
  if (missing.empty() && extra.empty()) return;
  fail_input(
      "{}: not the weights of {}; missing: {}; left over: {}; choose the model they belong to",
      file.path(), rules.model, some_names(missing), some_names(extra));
}

/// The dtype of a model stored in `file`: f64 if a tensor is, else f32.
DType stored_dtype(const SafetensorsFile& file) {
  const bool f64 = std::any_of(file.entries().begin(), file.entries().end(),
                               [](const auto& entry) { return entry.dtype == "F64"; });
  return f64 ? DType::kF64 : DType::kF32;
}

/// Throws InputError if `path`, the config.json beside `file`, describes a model out of all
/// proportion to the file: more than 64 MB and twice the file. This precedes the allocation of the
/// model. load_weights reports smaller differences more exactly.
void require_in_proportion(int64_t parameters, const SafetensorsFile& file,
                           const std::string& path) {
  constexpr int64_t kAllowance = int64_t{64} << 20;
  const int64_t stored = file.entries().empty() ? 0 : file.entries().back().end;
  if (parameters * dtype_size(stored_dtype(file)) <= kAllowance + 2 * stored) return;
  fail_input(
      "{}: describes a model of {} parameters, and {} holds {} bytes of weights; the folder is "
      "mixed up or damaged, restore it",
      path, parameters, file.path(), stored);
}

/// The weights in a checkpoint folder, verified, or in a safetensors file.
SafetensorsFile open_weights(const std::string& path) {
  return std::filesystem::is_directory(path) ? open_checkpoint(path).model
                                             : SafetensorsFile::open(path);
}

/// The model of `config`, which is in `path`, with the checkpoint's weights, prepacked.
template <typename Model, typename Config>
std::unique_ptr<Model> load_model(const Config& config, const Checkpoint& checkpoint,
                                  const std::string& path, const WeightRules& rules) {
  require_in_proportion(config.parameter_count(), checkpoint.model, path);
  auto model = std::make_unique<Model>(config, stored_dtype(checkpoint.model), 0);
  load_weights(model->parameters(), checkpoint.model, rules);
  model->prepack_weights();
  return model;
}

WeightRules rules_for(const VisionConfig& config, bool other_head) {
  return {.model = config.name,
          .tokens_remedy =
              "(image or patch size); weights cannot be carried over between numbers of tokens, "
              "use the --img-size and --patch-size that they were trained with",
          .other_head = other_head};
}

WeightRules rules_for(const LanguageConfig& config) {
  return {.model = config.name,
          .tokens_remedy =
              "(length of a window); only Toeplitz gates can be cut, to a shorter one; use the "
              "--seq-len that they were trained with",
          .longer_window = true};
}

/// A number, or a list of them, from pretrained_cfg.
std::vector<double> numbers(const Json& object, const char* key, double fallback,
                            const std::string& path) {
  if (!object.contains(key)) return {fallback};
  const Json& value = object.at(key);
  std::vector<double> result;
  for (const Json& number : value.is_array() ? value : Json::array({value})) {
    if (!number.is_number()) {
      fail_input("{}: \"{}\" is not a number or a list of them; correct the file", path, key);
    }
    result.push_back(number.get<double>());
  }
  if (result.empty()) fail_input("{}: \"{}\" is empty; correct the file", path, key);
  return result;
}

Preprocessing read_preprocessing(const VisionConfig& config, const std::string& text,
                                 const std::string& path) {
  const Json json = parse_json(text, path);
  const Json pretrained = json.contains("pretrained_cfg") && json.at("pretrained_cfg").is_object()
                              ? json.at("pretrained_cfg")
                              : Json::object();
  Preprocessing result{.height = config.img_height,
                       .width = config.img_width,
                       .channels = config.chans,
                       .mean = numbers(pretrained, "mean", 0.5, path),
                       .std = numbers(pretrained, "std", 0.5, path),
                       .crop_fraction = numbers(pretrained, "crop_pct", 0.875, path)[0]};
  for (std::vector<double>* values : {&result.mean, &result.std}) {
    // The first of timm's three values is enough for a grayscale model.
    if (static_cast<int64_t>(values->size()) != config.chans) values->resize(1);
  }
  const bool positive =
      std::all_of(result.std.begin(), result.std.end(), [](double value) { return value > 0; });
  if (!positive || !(result.crop_fraction > 0 && result.crop_fraction <= 1)) {
    fail_input("{}: std must be positive and crop_pct in (0, 1]; correct the file", path);
  }
  return result;
}

}  // namespace

std::vector<std::string> load_weights(const std::vector<Parameter*>& parameters,
                                      const SafetensorsFile& file, const WeightRules& rules) {
  check_names(parameters, file, rules);
  std::vector<std::string> notes;
  for (const Parameter* parameter : parameters) {
    const std::string& name = parameter->name;
    const Tensor& value = parameter->value;
    const SafetensorsFile::Entry* entry = file.find(name);
    if (entry == nullptr) {
      notes.push_back(fmt::format("init: {} is not in the file; it starts anew", name));
      continue;
    }
    const int64_t begin = shorter_window_begin(name, value.shape(), entry->shape);
    if (entry->shape == value.shape().to_vector()) {
      value.copy_from(file.read(name, value.dtype()));
    } else if (rules.longer_window && begin >= 0) {
      value.copy_from(file.read(name, value.dtype()).rows(begin, begin + value.shape()[0]));
    } else if ((rules.other_head || rules.new_head) && is_head(name)) {
      notes.push_back(fmt::format("init: {} is [{}] in the file and {} here; it starts anew", name,
                                  fmt::join(entry->shape, ", "), value.shape().to_string()));
    } else {
      const bool spatial = name.find("gate.proj") != std::string::npos;
      fail_input("{}: tensor {} is [{}], the model's is {}{}", file.path(), name,
                 fmt::join(entry->shape, ", "), value.shape().to_string(),
                 spatial ? ": another number of tokens " + rules.tokens_remedy
                         : "; choose the --model that these weights were trained with");
    }
  }
  return notes;
}

std::string stored_config_path(const std::string& model) {
  if (std::filesystem::is_directory(model)) return config_path(model);
  return model.ends_with(".json") ? model : "";
}

ExecutionOptions stored_execution(DType dtype, const std::string& precision,
                                  const std::string& kernels) {
  return dtype == DType::kF64 ? Backend::kReference : arithmetic_from(precision, kernels).execution;
}

void require_bf16_fits(const BlockConfig& block) {
  if (fused::bf16_fits(block.d_model, block.gate_width())) return;
  fail_input(
      "--precision bf16 loads numbers in pairs, and of d_model {} and the gate's width {} one is "
      "odd; use even ones, or --precision f32",
      block.d_model, block.gate_width());
}

LoadedVisionModel load_vision_model(const std::string& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  const std::string path = config_path(folder);
  LoadedVisionModel loaded;
  loaded.config = checkpoint.config;
  const VisionConfig config = vision_config_from_json(checkpoint.config, path, &loaded.label_names);
  if (!loaded.label_names.empty() &&
      static_cast<int64_t>(loaded.label_names.size()) != config.classes) {
    fail_input("{}: {} label_names for {} classes; correct the file", path,
               loaded.label_names.size(), config.classes);
  }
  loaded.preprocessing = read_preprocessing(config, checkpoint.config, path);
  loaded.model = load_model<VisionModel>(config, checkpoint, path, rules_for(config, false));
  return loaded;
}

VisionConfig named_or_stored_config(const std::string& model) {
  const std::string path = stored_config_path(model);
  return path.empty() ? vision_config(model)
                      : vision_config_from_json(read_text(path, kMaxJsonBytes), path, nullptr);
}

std::vector<std::string> initialize_from(VisionModel& model, const std::string& path) {
  return load_weights(model.parameters(), open_weights(path), rules_for(model.config(), true));
}

std::string add_preprocessing(const std::string& config_json, const Preprocessing& preprocessing) {
  Json json = parse_json(config_json, "config.json");
  Json& pretrained = json["pretrained_cfg"];
  // timm expects one value per channel.
  const auto per_channel = [&](const std::vector<double>& values) {
    const size_t channels = static_cast<size_t>(preprocessing.channels);
    return values.size() == channels ? values : std::vector<double>(channels, values.front());
  };
  pretrained["mean"] = per_channel(preprocessing.mean);
  pretrained["std"] = per_channel(preprocessing.std);
  pretrained["crop_pct"] = preprocessing.crop_fraction;
  return json_text(json);
}

LoadedLanguageModel load_language_model(const std::string& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  const std::string path = config_path(folder);
  const LanguageConfig config = language_config_from_json(checkpoint.config, path);
  return {load_model<LanguageModel>(config, checkpoint, path, rules_for(config)),
          checkpoint.config};
}

LanguageConfig named_or_stored_language_config(const std::string& model) {
  const std::string path = stored_config_path(model);
  return path.empty() ? language_config(model)
                      : language_config_from_json(read_text(path, kMaxJsonBytes), path);
}

std::vector<std::string> initialize_from(LanguageModel& model, const std::string& path) {
  return load_weights(model.parameters(), open_weights(path), rules_for(model.config()));
}

void require_bf16_fits(const LanguageConfig& config) {
  if (config.arch != Arch::kGmlp) {
    fail_input("--precision bf16: only gMLP's blocks have it, the model's are {}; use f32",
               arch_name(config.arch));
  }
  require_bf16_fits(config.block);
}

}  // namespace gmlp
