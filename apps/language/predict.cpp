// gmlp-language predict: an array of ids to an array of logits.

#include <CLI/CLI.hpp>
#include <algorithm>

#include <fmt/format.h>

#include "apps/cli/run_main.h"
#include "apps/cli/signals.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/train/options.h"
#include "core/error.h"
#include "core/io/npy.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

/// The file's ids, rows of `tokens`.
std::vector<int64_t> read_ids(const std::string& path, int64_t tokens, int64_t vocab) {
  const NpyArray array = read_npy(path);
  if (array.dtype != "i8" && array.dtype != "i4") {
    fail_input("{}: elements of type {}; ids are int64 or int32, convert them", path, array.dtype);
  }
  if (array.shape.empty() || array.shape.size() > 2) {
    fail_input("{}: {} dimensions; ids are (B, N), or (N)", path, array.shape.size());
  }
  if (array.shape.back() != tokens) {
    fail_input("{}: rows of {} ids, the model's window is {}; cut or fill them up to that", path,
               array.shape.back(), tokens);
  }
  std::vector<int64_t> ids = array.to_integers(path);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= 0 && ids[i] < vocab) continue;
    const int64_t at = static_cast<int64_t>(i);
    fail_input(
        "{}: id {} at row {}, column {}; the model's ids are 0 to {}, encode with its own "
        "tokenizer",
        path, ids[i], at / tokens, at % tokens, vocab - 1);
  }
  return ids;
}

}  // namespace

int language_predict(const std::vector<std::string>& arguments) {
  StoredModelOptions options;
  std::string input;
  std::string output;
  int64_t batch_size = 8;
  CLI::App app("Ids to logits", "gmlp-language predict");
  app.footer("Of a finetuned model: gmlp-language predict --task NAME --help");
  add_stored_model_options(app, options);
  app.add_option("--input-array", input, "int64 or int32 ids, (B, N) or (N)")
      ->required()
      ->type_name("FILE.npy");
  app.add_option("--output-array", output, "Their logits, (B, N, vocabulary)")
      ->required()
      ->type_name("FILE.npy");
  app.add_option("--batch-size", batch_size, "Rows at a time; changes no digit on fused kernels")
      ->check(integer_in(1, kLargestBatch));
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  set_thread_count(resolve_threads(options.threads));

  const LoadedLanguage loaded = load_language(options.model);
  const LanguageConfig& config = loaded.model->config();
  const int64_t n = config.block.tokens;
  const std::vector<int64_t> ids = read_ids(input, n, config.vocab);
  const int64_t rows = static_cast<int64_t>(ids.size()) / n;
  const ExecutionOptions execution =
      stored_language_execution(*loaded.model, options.precision, options.kernels);
  const Tensor result = Tensor::zeros(loaded.model->dtype(), {rows * n, config.vocab});
  Arena arena;
  for (int64_t begin = 0; begin < rows; begin += batch_size) {
    if (stop_signal() != 0) return 128 + stop_signal();
    const int64_t end = std::min(rows, begin + batch_size);
    const std::vector<int64_t> part(ids.begin() + begin * n, ids.begin() + end * n);
    arena.reset();
    Tape tape(arena, execution, false);
    const Tensor logits = tape.value(loaded.model->forward(tape, part, end - begin));
    result.rows(begin * n, end * n).copy_from(logits.reshaped({(end - begin) * n, config.vocab}));
  }
  write_npy(output, result.reshaped({rows, n, config.vocab}));
  return kExitSuccess;
}

}  // namespace gmlp
