// The named sizes, and their config.json in timm's form.

#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/json.h"
#include "models/vision.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

struct NamedSize {
  const char* name;
  int64_t image, patch, chans, classes, depth, d_model, d_ffn;
  double spatial_init_std;
};

// The first three are the paper's Table 1 as timm names them. The small ones are ours: W starts at
// 1e-3 there, since a short run has no time to grow it from timm's 1e-6 (LOG.md).
constexpr NamedSize kSizes[] = {
    {"gmlp_ti16_224", 224, 16, 3, 1000, 30, 128, 768, 1e-6},
    {"gmlp_s16_224", 224, 16, 3, 1000, 30, 256, 1536, 1e-6},
    {"gmlp_b16_224", 224, 16, 3, 1000, 30, 512, 3072, 1e-6},
    {"gmlp_nano_28", 28, 4, 1, 10, 4, 64, 256, 1e-3},
    {"gmlp_micro_28", 28, 4, 1, 10, 8, 128, 512, 1e-3},
    {"gmlp_nano_32", 32, 4, 3, 10, 6, 64, 384, 1e-3},
    {"gmlp_micro_32", 32, 4, 3, 10, 8, 128, 512, 1e-3},
    {"gmlp_micro_64", 64, 8, 3, 10, 8, 128, 512, 1e-3},
};

int64_t json_integer(const Json& object, const char* key, int64_t fallback,
                     const std::string& path) {
  if (!object.contains(key)) return fallback;
  const Json& value = object.at(key);
  if (!value.is_number_integer()) {
    fail_input("{}: \"{}\" is {}, not an integer; correct the file", path, key, json_line(value));
  }
  return value.get<int64_t>();
}

const Json& json_object(const Json& object, const char* key, const std::string& path) {
  static const Json kEmpty = Json::object();
  if (!object.contains(key)) return kEmpty;
  const Json& value = object.at(key);
  if (!value.is_object()) fail_input("{}: \"{}\" is not an object; correct the file", path, key);
  return value;
}

/// "img_size" is one number, or height and width.
void read_image_size(const Json& args, VisionConfig& config, const std::string& path) {
  if (!args.contains("img_size")) return;
  const Json& size = args.at("img_size");
  if (size.is_array() && size.size() == 2 && size[0].is_number_integer() &&
      size[1].is_number_integer()) {
    config.img_height = size[0].get<int64_t>();
    config.img_width = size[1].get<int64_t>();
    return;
  }
  config.img_height = config.img_width = json_integer(args, "img_size", 224, path);
}

/// timm stores the width as a multiple of embed_dim.
void read_ffn_width(const Json& args, VisionConfig& config, const std::string& path) {
  if (!args.contains("mlp_ratio")) return;
  const Json& ratio = args.at("mlp_ratio");
  if (!ratio.is_number()) fail_input("{}: \"mlp_ratio\" is not a number; correct the file", path);
  config.d_ffn = static_cast<int64_t>(ratio.get<double>() * static_cast<double>(config.d_model));
}

bool has_name(const std::string& name) {
  for (const NamedSize& size : kSizes) {
    if (name == size.name) return true;
  }
  return false;
}

/// May throw nlohmann's exceptions, where a value has another type than its name promises.
VisionConfig read_config(const Json& json, const std::string& path,
                         std::vector<std::string>* label_names) {
  const std::string architecture = json.value("architecture", std::string("custom"));
  VisionConfig config;
  if (has_name(architecture)) config = vision_config(architecture);
  const Json& args = json_object(json, "model_args", path);
  const Json& gmlp = json_object(json, "gmlp", path);
  config.classes = json_integer(json, "num_classes", config.classes, path);
  config.patch = json_integer(args, "patch_size", config.patch, path);
  config.depth = json_integer(args, "num_blocks", config.depth, path);
  config.d_model = json_integer(args, "embed_dim", config.d_model, path);
  config.chans = json_integer(args, "in_chans", config.chans, path);
  read_image_size(args, config, path);
  read_ffn_width(args, config, path);
  config.d_ffn = json_integer(gmlp, "d_ffn", config.d_ffn, path);
  if (gmlp.contains("gate")) config.gate = gate_from_name(gmlp.value("gate", std::string()));
  config.class_token = gmlp.value("class_token", false);
  config.name = gmlp.value("name", architecture);
  if (label_names != nullptr && json.contains("label_names")) {
    const Json& names = json.at("label_names");
    if (!names.is_array()) fail_input("{}: \"label_names\" is not a list; correct the file", path);
    label_names->clear();
    for (const Json& name : names) {
      if (!name.is_string()) fail_input("{}: a label name is not a string; correct the file", path);
      label_names->push_back(name.get<std::string>());
    }
  }
  config.validate();
  return config;
}

}  // namespace

std::vector<std::string> vision_config_names() {
  std::vector<std::string> names;
  for (const NamedSize& size : kSizes) names.emplace_back(size.name);
  return names;
}

VisionConfig vision_config(const std::string& name) {
  for (const NamedSize& size : kSizes) {
    if (name != size.name) continue;
    VisionConfig config;
    config.name = name;
    config.img_height = config.img_width = size.image;
    config.patch = size.patch;
    config.chans = size.chans;
    config.classes = size.classes;
    config.depth = size.depth;
    config.d_model = size.d_model;
    config.d_ffn = size.d_ffn;
    config.spatial_init_std = size.spatial_init_std;
    return config;
  }
  fail_input("--model {}: no such model, folder or file; the named ones are {}", name,
             fmt::join(vision_config_names(), ", "));
}

std::string vision_config_to_json(const VisionConfig& config,
                                  const std::vector<std::string>& label_names,
                                  const std::string& extra_gmlp_json) {
  Json gmlp = extra_gmlp_json.empty() ? Json::object() : Json::parse(extra_gmlp_json);
  gmlp["name"] = config.name;
  gmlp["gate"] = gate_name(config.gate);
  gmlp["class_token"] = config.class_token;
  gmlp["d_ffn"] = config.d_ffn;
  gmlp["norm_eps"] = 1e-6;
  gmlp["gate_eps"] = 1e-5;

  Json args;
  // timm's three entry points fix these four; a config that repeats them could not be opened there.
  const bool fixed_by_name = config.name.ends_with("16_224");
  if (!fixed_by_name) {
    args["patch_size"] = config.patch;
    args["num_blocks"] = config.depth;
    args["embed_dim"] = config.d_model;
    args["mlp_ratio"] = static_cast<double>(config.d_ffn) / static_cast<double>(config.d_model);
  }
  if (config.img_height == config.img_width) {
    args["img_size"] = config.img_height;
  } else {
    args["img_size"] = {config.img_height, config.img_width};
  }
  args["in_chans"] = config.chans;

  Json json;
  json["architecture"] = fixed_by_name ? config.name : "gmlp_s16_224";
  json["num_classes"] = config.classes;
  json["num_features"] = config.d_model;
  json["model_args"] = args;
  json["pretrained_cfg"] = {{"num_classes", config.classes},
                            {"input_size", {config.chans, config.img_height, config.img_width}},
                            {"interpolation", "bicubic"},
                            {"first_conv", "stem.proj"},
                            {"classifier", "head"}};
  if (!label_names.empty()) json["label_names"] = label_names;
  json["gmlp"] = gmlp;
  return json_text(json);
}

VisionConfig vision_config_from_json(const std::string& text, const std::string& path,
                                     std::vector<std::string>* label_names) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    fail_input("{}: not a JSON object; expected a config.json as timm or gmlp-vision write it",
               path);
  }
  try {
    return read_config(json, path, label_names);
  } catch (const Json::exception& error) {  // a value of another type than its name promises
    fail_input("{}: {}; correct the file", path, error.what());
  }
}

}  // namespace gmlp
