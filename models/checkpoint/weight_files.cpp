#include "models/checkpoint/weight_files.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/ranges.h>

#include "core/error.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

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

DType stored_dtype(const SafetensorsFile& file) {
  const bool f64 = std::any_of(file.entries().begin(), file.entries().end(),
                               [](const auto& entry) { return entry.dtype == "F64"; });
  return f64 ? DType::kF64 : DType::kF32;
}

SafetensorsFile open_weights(const std::string& path) {
  return std::filesystem::is_directory(path) ? open_checkpoint(path).model
                                             : SafetensorsFile::open(path);
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

}  // namespace gmlp
