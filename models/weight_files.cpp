#include "models/weight_files.h"

#include <set>

#include <fmt/ranges.h>

#include "core/error.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

constexpr size_t kNamesShown = 8;

bool is_head(const std::string& name) {
  return name.starts_with("head.");
}

std::string some_names(std::vector<std::string> names) {
  const size_t more = names.size() > kNamesShown ? names.size() - kNamesShown : 0;
  names.resize(names.size() - more);
  const std::string text = fmt::format("{}", fmt::join(names, ", "));
  return more == 0 ? text : fmt::format("{} and {} more", text, more);
}

[[noreturn]] void fail_shape(const SafetensorsFile& file, const Parameter& parameter,
                             const std::vector<int64_t>& found, const WeightRules& rules) {
  const std::string shapes =
      fmt::format("{}: tensor {} is [{}], the model's is {}", file.path(), parameter.name,
                  fmt::join(found, ", "), parameter.value.shape().to_string());
  if (parameter.name.find("gate.proj") != std::string::npos) {
    fail_input("{}: another number of tokens {}", shapes, rules.tokens_remedy);
  }
  fail_input("{}; choose the --model that these weights were trained with", shapes);
}

/// Where in a stored gate the shorter window of the model begins; -1 where it is none of a Toeplitz
/// gate of more tokens.
int64_t shorter_window_begin(const std::string& name, const Shape& wanted,
                             const std::vector<int64_t>& stored) {
  if (wanted.rank() != 1 || stored.size() != 1 || stored[0] <= wanted[0]) return -1;
  if (name.ends_with("gate.proj.weight")) return (stored[0] - wanted[0]) / 2;
  return name.ends_with("gate.proj.bias") ? 0 : -1;
}

void check_names(const std::vector<Parameter*>& parameters, const SafetensorsFile& file,
                 const WeightRules& rules) {
  std::vector<std::string> missing;
  std::set<std::string> known;
  for (const Parameter* parameter : parameters) {
    known.insert(parameter->name);
    const bool optional = rules.new_head && is_head(parameter->name);
    if (!optional && file.find(parameter->name) == nullptr) missing.push_back(parameter->name);
  }
  std::vector<std::string> extra;
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    const bool optional = rules.new_head && is_head(entry.name);
    if (!optional && known.count(entry.name) == 0) extra.push_back(entry.name);
  }
  if (missing.empty() && extra.empty()) return;
  fail_input(
      "{}: not the weights of {}; missing: {}; left over: {}; choose the model they belong to",
      file.path(), rules.model, missing.empty() ? "none" : some_names(missing),
      extra.empty() ? "none" : some_names(extra));
}

}  // namespace

std::vector<std::string> load_weights(const std::vector<Parameter*>& parameters,
                                      const SafetensorsFile& file, const WeightRules& rules) {
  check_names(parameters, file, rules);
  std::vector<std::string> notes;
  for (const Parameter* parameter : parameters) {
    const SafetensorsFile::Entry* entry = file.find(parameter->name);
    if (entry == nullptr) {
      notes.push_back(fmt::format("init: {} is not in the file; it starts anew", parameter->name));
      continue;
    }
    const Shape& wanted = parameter->value.shape();
    if (entry->shape != wanted.to_vector()) {
      const int64_t begin = shorter_window_begin(parameter->name, wanted, entry->shape);
      if (rules.longer_window && begin >= 0) {
        const Tensor longer = file.read(parameter->name, parameter->value.dtype());
        parameter->value.copy_from(longer.rows(begin, begin + wanted[0]));
        continue;
      }
      const bool may_differ = (rules.other_head || rules.new_head) && is_head(parameter->name);
      if (!may_differ) fail_shape(file, *parameter, entry->shape, rules);
      notes.push_back(fmt::format("init: {} is [{}] in the file and {} here; it starts anew",
                                  parameter->name, fmt::join(entry->shape, ", "),
                                  parameter->value.shape().to_string()));
      continue;
    }
    parameter->value.copy_from(file.read(parameter->name, parameter->value.dtype()));
  }
  return notes;
}

void require_in_proportion(int64_t parameters, const SafetensorsFile& file,
                           const std::string& path) {
  constexpr int64_t kRoom = int64_t{64} << 20;
  const int64_t stored = file.entries().empty() ? 0 : file.entries().back().end;
  if (parameters * dtype_size(stored_dtype(file)) <= kRoom + 2 * stored) return;
  fail_input(
      "{}: describes a model of {} parameters, and {} holds {} bytes of weights; the folder is "
      "mixed up or damaged, restore it",
      path, parameters, file.path(), stored);
}

DType stored_dtype(const SafetensorsFile& file) {
  for (const SafetensorsFile::Entry& entry : file.entries()) {
    if (entry.dtype == "F64") return DType::kF64;
  }
  return DType::kF32;
}

void require_bf16_fits(int64_t d_model, int64_t gate_width) {
  if (!fused::bf16_fits(d_model, gate_width)) {
    fail_input(
        "--precision bf16 takes numbers in pairs, and of d_model {} and the gate's width {} one is "
        "odd; use even ones, or --precision f32",
        d_model, gate_width);
  }
}

ExecutionOptions stored_model_execution(DType dtype, int64_t d_model, int64_t gate_width,
                                        const std::string& precision, const std::string& kernels) {
  if (dtype == DType::kF64) return Backend::kReference;
  const ExecutionOptions execution = arithmetic_from(precision, kernels).execution;
  if (execution.precision == fused::Precision::kBf16) require_bf16_fits(d_model, gate_width);
  return execution;
}

}  // namespace gmlp
