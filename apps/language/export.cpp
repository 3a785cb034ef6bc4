// gmlp-language export: a checkpoint as an ONNX file, from ids to logits.

#include <filesystem>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/export/onnx_model.h"
#include "apps/language/evaluate.h"
#include "apps/language/options.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

int language_export(const std::vector<std::string>& arguments) {
  const ExportOptions options = parse_export(
      "gmlp-language", {"onnx"},
      "onnx: a float32 file of any model without relative positions, pretrained or finetuned",
      arguments);
  const LoadedLanguage loaded = load_language({.model = options.model});
  const LanguageConfig& config = loaded.model->config();
  // As model hubs call it.
  const char* task = config.head == LanguageHead::kClassify ? "text-classification"
                     : config.head == LanguageHead::kSpan   ? "question-answering"
                     : config.block.causal                  ? "text-generation"
                                                            : "fill-mask";
  const SpecialIds special = loaded.tokenizer->special();
  TemplateValues metadata = {{"config.json", loaded.config},
                             {"producer", "gmlp " GMLP_VERSION},
                             {"task", task},
                             {"model", config.name},
                             {"tokenizer", loaded.tokenizer->kind()},
                             {"vocab_size", std::to_string(config.vocab)},
                             {"seq_len", std::to_string(config.block.tokens)}};
  for (const auto& [name, id] : {std::pair{"pad_token_id", special.pad},
                                 {"unk_token_id", special.unknown},
                                 {"cls_token_id", special.cls},
                                 {"sep_token_id", special.sep},
                                 {"mask_token_id", special.mask}}) {
    if (id >= 0) metadata[name] = std::to_string(id);
  }
  std::vector<std::string> labels;
  Json stored = parse_json(loaded.config, options.model);
  for (const auto& label : stored["gmlp"]["labels"]) {
    labels.push_back(label.is_string() ? label.get<std::string>() : json_line(label));
  }
  if (!labels.empty()) metadata["names"] = onnx_names(labels);
  const std::string bytes = onnx_model(*loaded.model, metadata);
  make_folders(std::filesystem::absolute(options.out).parent_path().string());
  write_file_atomic(options.out, bytes);
  std::vector<int64_t> shape = onnx_logits_shape(config);
  shape.erase(shape.begin());
  fmt::print(
      "model    {}, {} parameters\n"
      "written  {}: {} bytes\n"
      "input    ids (batch, {}), int64: 0 to {} of the tokenizer {}\n"
      "output   logits (batch, {})\n",
      printable(config.name), grouped(config.parameter_count()), options.out,
      grouped(std::ssize(bytes)), config.block.tokens, config.vocab - 1, loaded.tokenizer->kind(),
      fmt::join(shape, ", "));
  return kExitSuccess;
}

}  // namespace gmlp
