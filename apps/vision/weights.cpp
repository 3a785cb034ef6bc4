#include "apps/vision/weights.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/json.h"
#include "models/checkpoint.h"
#include "models/weight_files.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

WeightRules rules_for(const VisionConfig& config, bool other_head) {
  WeightRules rules;
  rules.model = config.name;
  rules.tokens_remedy =
      "(image or patch size); weights cannot be carried over between numbers of tokens, use the "
      "--img-size and --patch-size that they were trained with";
  rules.other_head = other_head;
  return rules;
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

TransformOptions evaluation_transform(const VisionConfig& config, const std::string& text,
                                      const std::string& path) {
  const Json json =
      parse_json(text, path);  // vision_config_from_json has seen that it is an object
  const Json pretrained = json.contains("pretrained_cfg") && json.at("pretrained_cfg").is_object()
                              ? json.at("pretrained_cfg")
                              : Json::object();
  TransformOptions transform;
  transform.height = config.img_height;
  transform.width = config.img_width;
  transform.channels = config.chans;
  transform.mean = numbers(pretrained, "mean", 0.5, path);
  transform.std = numbers(pretrained, "std", 0.5, path);
  transform.crop_fraction = numbers(pretrained, "crop_pct", 0.875, path)[0];
  for (std::vector<double>* values : {&transform.mean, &transform.std}) {
    // One value serves all channels; three of one value do for a grey model.
    if (static_cast<int64_t>(values->size()) != config.chans) values->resize(1);
  }
  const bool positive = std::all_of(transform.std.begin(), transform.std.end(),
                                    [](double value) { return value > 0; });
  if (!positive || !(transform.crop_fraction > 0 && transform.crop_fraction <= 1)) {
    fail_input("{}: std must be positive and crop_pct in (0, 1]; correct the file", path);
  }
  return transform;
}

}  // namespace

std::vector<std::string> initialise_from(VisionModel& model, const std::string& path) {
  const SafetensorsFile file = std::filesystem::is_directory(path) ? open_checkpoint(path).model
                                                                   : SafetensorsFile::open(path);
  return load_weights(model.parameters(), file, rules_for(model.config(), true));
}

LoadedModel load_model(const std::string& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  const std::string path = folder + "/config.json";
  LoadedModel loaded;
  const VisionConfig config = vision_config_from_json(checkpoint.config, path, &loaded.label_names);
  if (!loaded.label_names.empty() &&
      static_cast<int64_t>(loaded.label_names.size()) != config.classes) {
    fail_input("{}: {} label_names for {} classes; correct the file", path,
               loaded.label_names.size(), config.classes);
  }
  require_in_proportion(config.parameter_count(), checkpoint.model, path);
  loaded.transform = evaluation_transform(config, checkpoint.config, path);
  loaded.split = stored_split(checkpoint.config, path);
  loaded.model = std::make_unique<VisionModel>(config, stored_dtype(checkpoint.model), 0);
  load_weights(loaded.model->parameters(), checkpoint.model, rules_for(config, false));
  loaded.model->prepack_weights();
  return loaded;
}

std::string split_json(const DataOptions& options) {
  const Json split = {{"seed", options.seed},
                      {"val_fraction", options.val_fraction},
                      {"photo_side", options.photo_side}};
  return json_line({{"split", split}});
}

DataOptions stored_split(const std::string& text, const std::string& path) {
  const Json json = parse_json(text, path);
  DataOptions options;
  const Json::json_pointer place("/gmlp/split");
  if (!json.contains(place)) {
    options.photo_side = 0;
    return options;
  }
  const Json& split = json.at(place);
  if (!split.is_object() || !split.contains("seed") || !split.at("seed").is_number_unsigned()) {
    fail_input("{}: \"split\" has no seed; correct the file", path);
  }
  options.seed = split.at("seed").get<uint64_t>();
  options.val_fraction = numbers(split, "val_fraction", options.val_fraction, path)[0];
  const double side = static_cast<double>(options.photo_side);
  options.photo_side = static_cast<int64_t>(numbers(split, "photo_side", side, path)[0]);
  return options;
}

std::string add_preprocessing(const std::string& config_json, const TransformOptions& transform) {
  Json json = parse_json(config_json, "config.json");
  Json& pretrained = json["pretrained_cfg"];
  // timm wants one value a channel.
  const auto per_channel = [&](const std::vector<double>& values) {
    const size_t channels = static_cast<size_t>(transform.channels);
    return values.size() == channels ? values : std::vector<double>(channels, values.front());
  };
  pretrained["mean"] = per_channel(transform.mean);
  pretrained["std"] = per_channel(transform.std);
  pretrained["crop_pct"] = transform.crop_fraction;
  return json_text(json);
}

}  // namespace gmlp
