#include "models/checkpoint/load_models.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "kernels/kernels.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

namespace {

/// Also the output projection of a language model that does not share its embedding.
bool is_head(const std::string& name) {
  return name.starts_with("head.") || name == "output.weight";
}

/// How many, and the first of their names, for an error.
std::string some_names(const std::vector<std::string>& names) {
  constexpr size_t kMaxBytes = 300;
  if (names.empty()) return "none";
  return fmt::format("{} ({})", names.size(),
                     printable(fmt::format("{}", fmt::join(names, ", ")), kMaxBytes));
}

void check_names(const std::vector<Parameter*>& parameters, const SafetensorsFile& file,
                 const WeightRules& rules) {
  std::vector<std::string> missing, extra;
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
  const bool f64 = std::ranges::count(file.entries(), "F64", &SafetensorsFile::Entry::dtype) > 0;
  return f64 ? DType::kF64 : DType::kF32;
}

/// Throws InputError if `path`, the config.json beside `file`, describes a model out of all
/// proportion to the file: more than 64 MB and twice the file. This precedes its allocation.
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

WeightRules rules_for(const VisionConfig& config) {
  return {.model = config.name,
          .tokens_remedy =
              "(image or patch size); use the --img-size and --patch-size that they were trained "
              "with"};
}

/// WeightRules::convert: a Toeplitz gate of more tokens serves a window of N. Its distances
/// -(N - 1) to N - 1 are the middle of its weights, its first N biases the window's.
bool cut_toeplitz_gate(const std::string& name, const Tensor& stored, const Tensor& into) {
  const bool weight = name.ends_with("gate.proj.weight");
  const int64_t spare = stored.elements() - into.elements();
  const bool vectors = stored.shape().rank() == 1 && into.shape().rank() == 1;
  if (!vectors || spare < 0 || (!weight && !name.ends_with("gate.proj.bias"))) return false;
  const int64_t begin = weight ? spare / 2 : 0;
  into.copy_from(stored.rows(begin, begin + into.elements()));
  return true;
}

WeightRules rules_for(const LanguageConfig& config) {
  return {.model = config.name,
          .tokens_remedy =
              "(length of a window); only Toeplitz gates can be cut, to a shorter one; use the "
              "--seq-len that they were trained with",
          .convert = cut_toeplitz_gate};
}

/// The model of `config`, which is in `path`, with the checkpoint's weights, prepacked.
template <typename Model, typename Config>
std::unique_ptr<Model> load_model(const Config& config, const Checkpoint& checkpoint,
                                  const std::string& path) {
  require_in_proportion(config.parameter_count(), checkpoint.model, path);
  auto model = std::make_unique<Model>(config, stored_dtype(checkpoint.model), 0);
  load_weights(model->parameters(), checkpoint.model, rules_for(config));
  model->prepack_weights();
  return model;
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
    const Tensor stored = file.read(name, value.dtype());
    if (stored.shape() == value.shape()) {
      value.copy_from(stored);
    } else if (rules.new_head && is_head(name)) {
      notes.push_back(fmt::format("init: {} is {} in the file and {} here; it starts anew", name,
                                  stored.shape().to_string(), value.shape().to_string()));
    } else if (!rules.convert || !rules.convert(name, stored, value)) {
      const bool spatial = name.find("gate.proj") != std::string::npos;
      const int64_t n = stored.shape()[0], m = value.shape()[0];
      const bool toeplitz = spatial && stored.shape().rank() != value.shape().rank() &&
                            (n == 2 * m - 1 || m == 2 * n - 1);
      fail_input("{}: tensor {} is {}, the model's is {}{}", file.path(), name,
                 stored.shape().to_string(), value.shape().to_string(),
                 toeplitz
                     ? ": only one is Toeplitz; choose --toeplitz or --no-toeplitz as in training"
                 : spatial ? ": another number of tokens " + rules.tokens_remedy
                           : "; choose the --model and sizes that these weights were trained with");
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

LoadedVisionModel load_vision_model(const std::string& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  const std::string path = config_path(folder);
  LoadedVisionModel loaded;
  loaded.config = checkpoint.config;
  const VisionConfig config = vision_config_from_json(checkpoint.config, path, &loaded.label_names);
  refuse_if(!loaded.label_names.empty() && std::ssize(loaded.label_names) != config.classes,
            "{}: {} label_names for {} classes; correct the file", path, loaded.label_names.size(),
            config.classes);
  loaded.model = load_model<VisionModel>(config, checkpoint, path);
  return loaded;
}

VisionConfig named_or_stored_config(const std::string& model) {
  const std::string path = stored_config_path(model);
  return path.empty() ? vision_config(model)
                      : vision_config_from_json(read_text(path, kMaxJsonBytes), path, nullptr);
}

std::vector<std::string> initialize_from(VisionModel& model, const std::string& path,
                                         const WeightRules::Convert& convert) {
  WeightRules rules = rules_for(model.config());
  rules.new_head = true;
  rules.convert = convert;
  return load_weights(model.parameters(), open_weights(path), rules);
}

LoadedLanguageModel load_language_model(const std::string& folder) {
  const Checkpoint checkpoint = open_checkpoint(folder);
  const std::string path = config_path(folder);
  const LanguageConfig config = language_config_from_json(checkpoint.config, path);
  return {load_model<LanguageModel>(config, checkpoint, path), checkpoint.config};
}

LanguageConfig named_or_stored_language_config(const std::string& model) {
  const std::string path = stored_config_path(model);
  return path.empty() ? language_config(model)
                      : language_config_from_json(read_text(path, kMaxJsonBytes), path);
}

std::vector<std::string> initialize_from(LanguageModel& model, const std::string& path) {
  WeightRules rules = rules_for(model.config());
  rules.new_head = model.config().head != LanguageHead::kNone;
  std::vector<Parameter*> body = model.parameters();
  std::erase_if(body, [](const Parameter* each) { return each->name.starts_with("head."); });
  return load_weights(body, open_weights(path), rules);
}

void require_precision(const ExecutionOptions& execution, Arch arch, const BlockConfig& block) {
  if (execution.precision != fused::Precision::kBf16 || arch != Arch::kGmlp) return;
  if (fused::bf16_fits(block.d_model, block.gate_width())) return;
  fail_input(
      "--precision bf16 loads numbers in pairs, and of d_model {} and the gate's width {} one is "
      "odd; use even ones, or --precision f32",
      block.d_model, block.gate_width());
}

}  // namespace gmlp
