#include "models/checkpoint/load_models.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "models/checkpoint/checkpoint.h"
#include "models/checkpoint/weight_files.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

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
                      : vision_config_from_json(read_text(path), path, nullptr);
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
  return path.empty() ? language_config(model) : language_config_from_json(read_text(path), path);
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
