// gmlp-language export: a checkpoint as an ONNX file, from ids to logits.

#include <filesystem>
#include <nlohmann/json.hpp>

#include <fmt/ranges.h>

#include "apps/cli/format.h"
#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/export/onnx_model.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

/// What the model does, as model hubs call it.
const char* task_name(const LanguageConfig& config) {
  if (config.head == LanguageHead::kClassify) return "text-classification";
  if (config.head == LanguageHead::kSpan) return "question-answering";
  return config.block.causal ? "text-generation" : "fill-mask";
}

/// "pad_token_id" and so on, as far as the tokenizer has them.
OnnxMetadata special_ids(const SpecialIds& ids) {
  OnnxMetadata found;
  for (const auto& [name, id] : {std::pair{"pad", ids.pad},
                                 {"unk", ids.unknown},
                                 {"cls", ids.cls},
                                 {"sep", ids.sep},
                                 {"mask", ids.mask}}) {
    if (id >= 0) found.emplace_back(fmt::format("{}_token_id", name), std::to_string(id));
  }
  return found;
}

}  // namespace

int language_export(const std::vector<std::string>& arguments) {
  ExportOptions options;
  if (!parse_export("gmlp-language", {"onnx"},
                    "onnx: a float32 file of a gMLP or an aMLP, pretrained or finetuned; the "
                    "baselines are not exported",
                    arguments, options)) {
    return kExitSuccess;
  }
  const LoadedLanguage loaded = load_language(options.model);
  const LanguageConfig& config = loaded.model->config();
  const int64_t n = config.block.tokens;
  OnnxMetadata metadata = {{"config.json", loaded.config},
                           {"producer", "gmlp " GMLP_VERSION},
                           {"task", task_name(config)},
                           {"model", config.name},
                           {"tokenizer", loaded.tokenizer->kind()},
                           {"vocab_size", std::to_string(config.vocab)},
                           {"seq_len", std::to_string(n)}};
  const OnnxMetadata ids = special_ids(loaded.tokenizer->special());
  metadata.insert(metadata.end(), ids.begin(), ids.end());
  if (config.head == LanguageHead::kClassify) {
    const auto labels = parse_json(loaded.config, "config.json").at("gmlp").at("labels");
    metadata.emplace_back("names", onnx_names(labels));
  }
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
      grouped(std::ssize(bytes)), n, config.vocab - 1, loaded.tokenizer->kind(),
      fmt::join(shape, ", "));
  return kExitSuccess;
}

}  // namespace gmlp
