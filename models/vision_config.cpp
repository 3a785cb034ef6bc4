// The named sizes of vision models (vision_sizes.txt), and their config.json in timm's form.

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.h"
#include "core/io/json.h"
#include "models/config_fields.h"
#include "models/vision.h"
#include "models/vision_sizes.h"

namespace gmlp {

namespace {

/// A row of vision_sizes.txt.
VisionConfig read_vision_size(std::istream& row) {
  VisionConfig size;
  std::string arch;
  row >> size.name >> arch >> size.img_height >> size.patch >> size.chans >> size.classes >>
      size.depth >> size.d_model >> size.d_ffn >> size.spatial_init_std >> size.heads >>
      size.spatial_ffn;
  size.arch = kVisionArchs.from_name(arch);
  size.img_width = size.img_height;
  size.class_token = size.is_vit();
  return size;
}

const std::vector<VisionConfig>& vision_sizes() {
  static const std::vector<VisionConfig> all = read_sizes(kVisionSizes, read_vision_size);
  return all;
}

/// timm stores F as a multiple of D and computes int(D * ratio): a ratio that results in F.
double ffn_ratio(const VisionConfig& config, int64_t d_ffn) {
  const double d = static_cast<double>(config.d_model);
  const double f = static_cast<double>(d_ffn);
  double ratio = f / d;
  while (std::floor(d * ratio) < f) ratio = std::nextafter(ratio, 2 * ratio);
  return ratio;
}

/// "mlp_ratio"; a Mixer's may be two, for tokens and channels. config.d_model is read before.
Member mlp_ratio(VisionConfig& config) {
  const auto get = [&config] {
    const double ratio = ffn_ratio(config, config.d_ffn);
    const bool mixer = config.arch == Arch::kMixer;
    return mixer ? Json{ffn_ratio(config, config.spatial_ffn), ratio} : Json(ratio);
  };
  const auto set = [&config](const Json& json) {
    const auto set_width = [&](int64_t& width, const Json& ratio) {
      const double d = static_cast<double>(config.d_model);
      const double f = ratio.is_number() ? ratio.get<double>() * d : 0;
      const bool fits = f >= 1 && f <= (1 << 24);
      if (fits) width = static_cast<int64_t>(f);
      return fits;
    };
    if (config.arch != Arch::kMixer) return set_width(config.d_ffn, json);
    const bool two = json.is_array() && json.size() == 2;
    return set_width(config.spatial_ffn, two ? json[0] : json) &&
           set_width(config.d_ffn, two ? json[1] : json);
  };
  return {get, set};
}

/// "img_size": one number, or height and width.
Member img_size(VisionConfig& config) {
  const auto get = [&config] {
    const bool square = config.img_height == config.img_width;
    return square ? Json(config.img_height) : Json{config.img_height, config.img_width};
  };
  const auto set = [&config](const Json& json) {
    const bool two = json.is_array() && json.size() == 2;
    return Member(&config.img_height).set(two ? json[0] : json) &&
           Member(&config.img_width).set(two ? json[1] : json);
  };
  return {get, set};
}

/// The same in every vision model: weights that were trained with another are refused.
Member timms_epsilon(double value) {
  return {[=] { return value; }, [=](const Json& json) { return json == value; }};
}

/// What timm has, and under "gmlp" what it lacks. config.arch is read before the others. Our widths
/// are read after timm's ratio, over which they have precedence.
std::vector<ConfigField> fields_of(VisionConfig& config) {
  const double heads = config.is_vit() ? 1 : 0;  // an architecture without may have 0
  const double spatial = config.arch == Arch::kMixer ? 1 : 0;
  const BlockConfig block = VisionConfig{}.block();  // config's patch may be 0
  return {
      {"gmlp", "arch", named_field(config.arch, kVisionArchs)},
      {"", "num_classes", &config.classes, "the number of classes"},
      {"model_args", "patch_size", &config.patch, "--patch-size"},
      {"model_args", config.is_vit() ? "depth" : "num_blocks", &config.depth, "--depth", 1,
       kMaxDepth},
      {"model_args", "embed_dim", &config.d_model, "--d-model"},
      {"model_args", "in_chans", &config.chans, "--in-chans"},
      {config.is_vit() ? "model_args" : "gmlp", "num_heads", &config.heads, "--heads", heads},
      {"model_args", "mlp_ratio", mlp_ratio(config)},
      {"model_args", "img_size", img_size(config)},
      {"gmlp", "spatial_ffn", &config.spatial_ffn, "--spatial-ffn", spatial},
      {"gmlp", "name", &config.name},
      {"gmlp", "gate", named_field(config.gate, kGates)},
      {"gmlp", "class_token", &config.class_token},
      {"gmlp", "d_ffn", &config.d_ffn, "--d-ffn"},
      {"gmlp", "spatial_init_std", &config.spatial_init_std, "\"spatial_init_std\"", 0, 1},
      {"gmlp", "norm_eps", timms_epsilon(block.norm_eps)},
      {"gmlp", "gate_eps", timms_epsilon(block.gate_eps)},
  };
}

}  // namespace

std::vector<std::string> vision_config_names() {
  return names_of(vision_sizes());
}

VisionConfig vision_config(const std::string& name) {
  return get_size(vision_sizes(), name);
}

bool is_timms(const VisionConfig& config) {
  const VisionConfig* size = find_size(vision_sizes(), config.name);
  // timm's entry points fix everything but the image, its channels and the classes.
  const auto fixed = [](const VisionConfig& c) {
    return std::tuple(c.arch, c.patch, c.depth, c.d_model, c.d_ffn, c.gate, c.class_token, c.heads,
                      c.spatial_ffn);
  };
  return config.name.ends_with("16_224") && size != nullptr && fixed(config) == fixed(*size);
}

void VisionConfig::validate() const {
  VisionConfig copy = *this;
  check_fields(fields_of(copy));
  check_fields({{"", "", &copy.img_height, "the image height"},
                {"", "", &copy.img_width, "the image width"}});
  refuse_if(
      img_height % patch != 0 || img_width % patch != 0,
      "an image of {} x {} cannot be cut into patches of {} x {}; choose an --img-size that is a "
      "multiple of --patch-size",
      img_height, img_width, patch, patch);
  refuse_if(arch == Arch::kMixer && class_token,
            "--class-token: a Mixer has none; leave the option out, or choose another --arch");
  check_blocks(arch, depth, block(), heads, spatial_ffn);
  check_product({d_model, chans, patch, patch}, kParameterBits, "the patch embedding");
  check_product({d_model, std::max(classes, d_model)}, kParameterBits, "the head");
}

std::string vision_config_to_json(const VisionConfig& config,
                                  const std::vector<std::string>& label_names,
                                  const std::string& extra_gmlp_json) {
  VisionConfig copy = config;
  const bool fixed_by_name = is_timms(config);
  Json json;
  const char* const entry_points[] = {"gmlp_s16_224", "vit_tiny_patch16_224", "mixer_b16_224"};
  json["architecture"] =
      fixed_by_name ? config.name : entry_points[static_cast<size_t>(config.arch)];
  json["num_classes"] = config.classes;
  json["num_features"] = config.d_model;
  json["model_args"] = Json::object();
  json["pretrained_cfg"] = {{"num_classes", config.classes},
                            {"input_size", {config.chans, config.img_height, config.img_width}},
                            {"interpolation", "bicubic"},
                            {"crop_mode", "center"},
                            {"first_conv", config.is_vit() ? "patch_embed.proj" : "stem.proj"},
                            {"classifier", "head"}};
  if (!label_names.empty()) json["label_names"] = label_names;
  write_fields(json, fields_of(copy), extra_gmlp_json);
  Json& args = json["model_args"];
  if (config.is_vit()) {
    args["class_token"] = config.class_token;
    args["global_pool"] = config.class_token ? "token" : "avg";
    args["fc_norm"] = false;  // the norm precedes the pool
  } else if (fixed_by_name) {
    // timm's entry point of an MLP passes these four itself and refuses them twice.
    for (const char* key : {"patch_size", "num_blocks", "embed_dim", "mlp_ratio"}) args.erase(key);
  }
  return json_text(json);
}

VisionConfig vision_config_from_json(const std::string& text, const std::string& path,
                                     std::vector<std::string>* label_names) {
  const Json json = parse_json(text, path);
  VisionConfig config = stored_size(json, vision_sizes(), "custom", "a vision model", path);
  read_fields(json, {{"gmlp", "arch", named_field(config.arch, kVisionArchs)}}, path);
  read_fields(json, fields_of(config), path);
  config.name = printable(config.name);
  if (label_names != nullptr) read_fields(json, {{"", "label_names", label_names}}, path);
  in_file(path, [&] { config.validate(); });
  return config;
}

}  // namespace gmlp
