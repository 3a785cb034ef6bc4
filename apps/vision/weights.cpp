#include "apps/vision/weights.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/json.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

/// A number, or a list of them, each from `least` to `most`.
std::vector<double> numbers(const Json& object, const char* key, double fallback, double least,
                            double most, const std::string& path) {
  if (!object.contains(key)) return {fallback};
  const Json& value = object.at(key);
  std::vector<double> result;
  for (const Json& number : value.is_array() ? value : Json::array({value})) {
    const double found = number.is_number() ? number.get<double>() : NAN;
    if (!(found >= least && found <= most)) {
      fail_input("{}: \"{}\" is {}, not a number from {} to {}; correct the file", path, key,
                 number.dump(), least, most);
    }
    result.push_back(found);
  }
  if (result.empty()) fail_input("{}: \"{}\" is empty; correct the file", path, key);
  return result;
}

/// The transform of evaluation, as timm's "pretrained_cfg" has it.
TransformOptions stored_transform(const VisionConfig& config, const std::string& text,
                                  const std::string& path) {
  constexpr double kMost = 1000;  // timm's means are below 1; other programs' pixels end at 255
  const Json json = parse_json(text, path);
  const Json pretrained = json.contains("pretrained_cfg") && json.at("pretrained_cfg").is_object()
                              ? json.at("pretrained_cfg")
                              : Json::object();
  for (const auto& [key, known] :
       {std::pair{"interpolation", "bicubic"}, {"crop_mode", "center"}}) {
    if (pretrained.contains(key) && pretrained.at(key) != known) {
      fail_input("{}: \"{}\" is not \"{}\", which alone is read; correct the file", path, key,
                 known);
    }
  }
  TransformOptions transform;
  transform.height = config.img_height;
  transform.width = config.img_width;
  transform.channels = config.chans;
  transform.mean = numbers(pretrained, "mean", 0.5, -kMost, kMost, path);
  transform.std = numbers(pretrained, "std", 0.5, 1 / kMost, kMost, path);
  transform.crop_fraction = numbers(pretrained, "crop_pct", 0.875, 0.01, 1, path)[0];
  for (std::vector<double>* values : {&transform.mean, &transform.std}) {
    // The first of timm's three values is enough for a grayscale model.
    if (static_cast<int64_t>(values->size()) != config.chans) values->resize(1);
  }
  return transform;
}

}  // namespace

std::string LoadedModel::label(size_t c) const {
  return label_names.empty() ? fmt::format("class {}", c) : label_names[c];
}

LoadedModel load_model(const std::string& folder) {
  LoadedModel loaded{load_vision_model(folder), {}, {}};
  const std::string path = config_path(folder);
  loaded.transform = stored_transform(loaded.model->config(), loaded.config, path);
  loaded.split = stored_split(loaded.config, path);
  return loaded;
}

std::string add_preprocessing(const std::string& config_json, const TransformOptions& transform) {
  Json json = parse_json(config_json, "config.json");
  Json& pretrained = json["pretrained_cfg"];
  // timm expects one value per channel.
  const auto per_channel = [&](const std::vector<double>& values) {
    const size_t channels = static_cast<size_t>(transform.channels);
    return values.size() == channels ? values : std::vector<double>(channels, values.front());
  };
  pretrained["mean"] = per_channel(transform.mean);
  pretrained["std"] = per_channel(transform.std);
  pretrained["crop_pct"] = transform.crop_fraction;
  return json_text(json);
}

std::string split_json(const DataOptions& options) {
  Json split = {{"seed", options.seed},
                {"val_fraction", options.val_fraction},
                {"photo_side", options.photo_side}};
  if (!options.split_by_order) split["rule"] = "name";
  if (!options.trained_on.empty()) split["trained_on"] = options.trained_on;
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
  const auto number = [&](const char* key, double fallback, double most) {
    return numbers(split, key, fallback, 0, most, path)[0];
  };
  options.val_fraction = number("val_fraction", options.val_fraction, 1);
  const double side = static_cast<double>(options.photo_side);
  options.photo_side = static_cast<int64_t>(number("photo_side", side, 1 << 24));
  options.split_by_order = !split.contains("rule");  // runs of earlier versions
  for (const Json& image : split.value("trained_on", Json::array())) {
    if (image.is_string()) options.trained_on.push_back(image);
  }
  return options;
}

}  // namespace gmlp
