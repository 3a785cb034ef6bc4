// The named sizes, and their config.json in timm's form.

#include <cmath>
#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/json.h"
#include "models/config_json.h"
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

const NamedSize* find_size(const std::string& name) {
  for (const NamedSize& size : kSizes) {
    if (name == size.name) return &size;
  }
  return nullptr;
}

/// timm stores F as a multiple of D and takes int(D * ratio): a ratio that gives F.
double ffn_ratio(const VisionConfig& config) {
  const double d = static_cast<double>(config.d_model);
  const double f = static_cast<double>(config.d_ffn);
  double ratio = f / d;
  while (std::floor(d * ratio) < f) ratio = std::nextafter(ratio, 2 * ratio);
  return ratio;
}

void read_ffn_width(const Json& args, VisionConfig& config, const std::string& path) {
  if (!args.contains("mlp_ratio")) return;
  double ratio = 0;
  read_member(args, "mlp_ratio", ratio, path);
  const double width = std::floor(ratio * static_cast<double>(config.d_model));
  if (!(width >= 1) || width > (1 << 24)) {
    fail_input("{}: \"mlp_ratio\" {} of an \"embed_dim\" of {} is no width; correct the file", path,
               ratio, config.d_model);
  }
  config.d_ffn = static_cast<int64_t>(width);
}

/// "img_size" is one number, or height and width.
void read_image_size(const Json& args, VisionConfig& config, const std::string& path) {
  if (args.contains("img_size") && args.at("img_size").is_array()) {
    const Json& size = args.at("img_size");
    if (size.size() != 2 || !size[0].is_number_integer() || !size[1].is_number_integer()) {
      fail_input("{}: \"img_size\" is {}, neither one integer nor two; correct the file", path,
                 json_line(size));
    }
    config.img_height = size[0].get<int64_t>();
    config.img_width = size[1].get<int64_t>();
    return;
  }
  read_member(args, "img_size", config.img_height, path);
  if (args.contains("img_size")) config.img_width = config.img_height;
}

/// The norms of a vision model have timm's two epsilons; weights made under others are not its.
void check_epsilon(const Json& gmlp, const char* key, double ours, const std::string& path) {
  double epsilon = ours;
  read_member(gmlp, key, epsilon, path);
  if (epsilon != ours) {
    fail_input("{}: \"{}\" is {}; a vision model's is {}; correct the file", path, key, epsilon,
               ours);
  }
}

/// "architecture" is one of the named sizes, or "custom"; what else has a config.json is another's.
VisionConfig starting_point(const Json& json, const std::string& path) {
  std::string architecture = "custom";
  read_member(json, "architecture", architecture, path);
  if (architecture == "custom") return {};
  if (find_size(architecture) != nullptr) return vision_config(architecture);
  fail_input(
      "{}: \"architecture\" is \"{}\", which is not a vision gMLP; give a folder or file of one, "
      "or one of the names {}",
      path, architecture, fmt::join(vision_config_names(), ", "));
}

/// What timm has no name for.
void read_gmlp(const Json& gmlp, VisionConfig& config, const std::string& path) {
  read_member(gmlp, "name", config.name, path);
  read_member(gmlp, "d_ffn", config.d_ffn, path);
  read_member(gmlp, "class_token", config.class_token, path);
  std::string gate = gate_name(config.gate);
  read_member(gmlp, "gate", gate, path);
  in_file(path, [&] { config.gate = gate_from_name(gate); });
  // Files without it are of a time when only the name told.
  const std::string size = config.name.substr(0, config.name.find("_custom"));
  if (find_size(size) != nullptr) config.spatial_init_std = find_size(size)->spatial_init_std;
  read_member(gmlp, "spatial_init_std", config.spatial_init_std, path);
  check_epsilon(gmlp, "norm_eps", config.block().norm_eps, path);
  check_epsilon(gmlp, "gate_eps", config.block().gate_eps, path);
}

void read_label_names(const Json& json, const std::string& path,
                      std::vector<std::string>& label_names) {
  label_names.clear();
  if (!json.contains("label_names")) return;
  const Json& names = json.at("label_names");
  if (!names.is_array()) fail_input("{}: \"label_names\" is not a list; correct the file", path);
  for (const Json& name : names) {
    if (!name.is_string()) fail_input("{}: a label name is not a string; correct the file", path);
    label_names.push_back(name.get<std::string>());
  }
}

VisionConfig read_config(const Json& json, const std::string& path) {
  VisionConfig config = starting_point(json, path);
  const Json& args = json_object(json, "model_args", path);
  read_member(json, "num_classes", config.classes, path);
  read_member(args, "patch_size", config.patch, path);
  read_member(args, "num_blocks", config.depth, path);
  read_member(args, "embed_dim", config.d_model, path);
  read_member(args, "in_chans", config.chans, path);
  read_image_size(args, config, path);
  read_ffn_width(args, config, path);
  read_gmlp(json_object(json, "gmlp", path), config, path);
  return config;
}

}  // namespace

std::vector<std::string> vision_config_names() {
  std::vector<std::string> names;
  for (const NamedSize& size : kSizes) names.emplace_back(size.name);
  return names;
}

VisionConfig vision_config(const std::string& name) {
  const NamedSize* size = find_size(name);
  if (size == nullptr) {
    fail_input("--model {}: no such model, folder or file; the named ones are {}", name,
               fmt::join(vision_config_names(), ", "));
  }
  VisionConfig config;
  config.name = name;
  config.img_height = config.img_width = size->image;
  config.patch = size->patch;
  config.chans = size->chans;
  config.classes = size->classes;
  config.depth = size->depth;
  config.d_model = size->d_model;
  config.d_ffn = size->d_ffn;
  config.spatial_init_std = size->spatial_init_std;
  return config;
}

bool is_timms(const VisionConfig& config) {
  // Its entry points fix these four.
  if (!config.name.ends_with("16_224") || find_size(config.name) == nullptr) return false;
  if (config.class_token || config.gate != Gate::kSplit) return false;
  const VisionConfig named = vision_config(config.name);
  return config.patch == named.patch && config.depth == named.depth &&
         config.d_model == named.d_model && config.d_ffn == named.d_ffn;
}

std::string vision_config_to_json(const VisionConfig& config,
                                  const std::vector<std::string>& label_names,
                                  const std::string& extra_gmlp_json) {
  Json gmlp = extra_gmlp_json.empty() ? Json::object() : parse_json(extra_gmlp_json, "config.json");
  gmlp["name"] = config.name;
  gmlp["gate"] = gate_name(config.gate);
  gmlp["class_token"] = config.class_token;
  gmlp["d_ffn"] = config.d_ffn;
  gmlp["norm_eps"] = config.block().norm_eps;
  gmlp["gate_eps"] = config.block().gate_eps;
  gmlp["spatial_init_std"] = config.spatial_init_std;

  Json args;
  // What timm's entry point fixes may not be repeated, or it could not open the file.
  const bool fixed_by_name = is_timms(config);
  if (!fixed_by_name) {
    args["patch_size"] = config.patch;
    args["num_blocks"] = config.depth;
    args["embed_dim"] = config.d_model;
    args["mlp_ratio"] = ffn_ratio(config);
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
  const Json json = config_object(text, path, "timm or gmlp-vision");
  VisionConfig config = read_config(json, path);
  if (label_names != nullptr) read_label_names(json, path, *label_names);
  in_file(path, [&] { config.validate(); });
  return config;
}

}  // namespace gmlp
