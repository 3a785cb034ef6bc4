#include "apps/vision/weights.h"

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

double number(const Json& object, const char* key, double fallback, const std::string& path) {
  if (!object.contains(key)) return fallback;
  if (!object.at(key).is_number()) {
    fail_input("{}: \"{}\" is not a number; correct the file", path, key);
  }
  return object.at(key).get<double>();
}

}  // namespace

LoadedModel load_model(const std::string& folder) {
  LoadedModel loaded{load_vision_model(folder), {}, {}};
  const Preprocessing& input = loaded.preprocessing;
  loaded.transform.height = input.height;
  loaded.transform.width = input.width;
  loaded.transform.channels = input.channels;
  loaded.transform.mean = input.mean;
  loaded.transform.std = input.std;
  loaded.transform.crop_fraction = input.crop_fraction;
  loaded.split = stored_split(loaded.config, folder + "/config.json");
  return loaded;
}

Preprocessing preprocessing_of(const TransformOptions& transform) {
  return {.height = transform.height,
          .width = transform.width,
          .channels = transform.channels,
          .mean = transform.mean,
          .std = transform.std,
          .crop_fraction = transform.crop_fraction};
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
  options.val_fraction = number(split, "val_fraction", options.val_fraction, path);
  const double side = static_cast<double>(options.photo_side);
  options.photo_side = static_cast<int64_t>(number(split, "photo_side", side, path));
  options.split_by_order = !split.contains("rule");  // runs of earlier versions
  for (const Json& image : split.value("trained_on", Json::array())) {
    if (image.is_string()) options.trained_on.push_back(image);
  }
  return options;
}

}  // namespace gmlp
