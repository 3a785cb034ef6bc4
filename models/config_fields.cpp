#include "models/config_fields.h"

#include <cmath>

namespace gmlp {

void read_fields(const Json& json, const std::vector<ConfigField>& fields,
                 const std::string& path) {
  for (const ConfigField& field : fields) {
    const bool inside = *field.object != 0;
    if (inside && !json.contains(field.object)) continue;
    const Json& object = inside ? json.at(field.object) : json;
    refuse_if(!object.is_object(), "{}: {} is no JSON object; is it the config.json of a model?",
              path, inside ? field.object : "its text");
    if (!object.contains(field.key)) continue;
    const Json& value = object.at(field.key);
    bool fits = false;
    try {
      in_file(path, [&] { fits = field.member.set(value); });
    } catch (const Json::exception&) {  // another type
    }
    if (fits) continue;
    fail_input("{}: \"{}\" is {}, not a value such as {}; correct the file", path, field.key,
               json_line(value), json_line(field.member.get()));
  }
}

void write_fields(Json& json, const std::vector<ConfigField>& fields,
                  const std::string& extra_gmlp_json) {
  json["gmlp"] =
      extra_gmlp_json.empty() ? Json::object() : parse_json(extra_gmlp_json, "config.json");
  for (const ConfigField& field : fields) {
    Json& object = *field.object == 0 ? json : json[field.object];
    object[field.key] = field.member.get();
  }
}

void check_fields(const std::vector<ConfigField>& fields) {
  for (const ConfigField& field : fields) {
    if (field.what == nullptr) continue;
    const double value = field.member.get().get<double>();
    if (value >= field.least && value <= field.most) continue;
    fail_input("{} is {}; it must be from {} to {}", field.what, value, field.least, field.most);
  }
}

void check_product(std::initializer_list<int64_t> sizes, int bits, const char* what) {
  double product = 1;
  for (const int64_t size : sizes) product *= static_cast<double>(size);
  refuse_if(product >= std::ldexp(1, bits),
            "{} would be {:.2g} numbers, more than this program handles; choose smaller sizes",
            what, product);
}

void check_blocks(Arch arch, int64_t depth, const BlockConfig& block, int64_t heads,
                  int64_t spatial_ffn) {
  refuse_if(arch == Arch::kGmlp && block.gate == Gate::kSplit && block.d_ffn % 2 != 0,
            "--d-ffn {} is odd, and the split gate halves it; use an even one", block.d_ffn);
  const bool transformer = arch != Arch::kGmlp && arch != Arch::kMixer;
  refuse_if(transformer && block.d_model % heads != 0,
            "--d-model {} cannot be cut into --heads {}; choose a divisor", block.d_model, heads);
  const int64_t n = block.tokens;
  const int64_t mixed = arch == Arch::kMixer ? spatial_ffn : n;
  const int64_t widest = std::max({block.d_ffn, block.d_model, block.d_attn});
  check_product({depth, n, mixed}, kParameterBits, "the weights over tokens, such as W,");
  check_product({depth, block.d_model, widest}, kParameterBits, "the channel projections");
  check_product({depth, n, widest}, kActivationBits, "the activations");
  const int64_t attentions = transformer ? heads : block.d_attn > 0 ? 1 : 0;  // per block
  check_product({depth, attentions, n, n}, kActivationBits, "the attention");
}

}  // namespace gmlp
