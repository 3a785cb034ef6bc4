// gmlp-bench decode: how fast a causal model writes a window of N tokens. Cached, a token costs one
// row of W and one token of every projection; without the cache it costs a forward pass over the
// window, whose shape W fixes.

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "apps/bench/run_table.h"
#include "apps/bench/workload.h"
#include "core/error.h"
#include "models/decoder.h"

namespace gmlp {

namespace {

LanguageConfig decode_config(const BenchOptions& options) {
  LanguageConfig config = language_config(options.model);
  if (!config.block.causal) {
    fail_input("--model {}: is not causal, so it does not write; use gmlp_char", options.model);
  }
  config.block.tokens = options.seq_len;
  if (options.vocab_size > 0) config.vocab = options.vocab_size;
  if (options.depth > 0) config.depth = options.depth;
  return config;
}

/// Seconds for N tokens, each the likeliest after those before it.
double cached_seconds(Decoder& decoder, int64_t tokens) {
  decoder.reset();
  const double start = now_seconds();
  int64_t id = 0;
  for (int64_t i = 0; i < tokens; ++i) {
    const std::vector<double>& logits = decoder.feed(id);
    id = std::max_element(logits.begin(), logits.end()) - logits.begin();
  }
  return now_seconds() - start;
}

/// Seconds for one pass over the window, of which only one token's logits would be used.
double window_seconds(LanguageModel& model, Arena& arena, const ExecutionOptions& execution) {
  const std::vector<int64_t> ids(static_cast<size_t>(model.config().block.tokens), 0);
  arena.reset();
  Tape tape(arena, execution, false);
  const double start = now_seconds();
  model.forward(tape, ids, 1);
  return now_seconds() - start;
}

}  // namespace

void run_decode(const BenchOptions& options) {
  const int repeat = options.repeat_or(7);
  LanguageModel model(decode_config(options), DType::kF32, 1);
  model.prepack_weights();
  const int64_t tokens = model.config().block.tokens;
  fmt::print("{}, {} tokens written\n{}\nmedian (least to most) of {}\n\n", options.model, tokens,
             machine_line(), repeat);

  RunTable table(options, options.model);
  table.row()["tokens"] = tokens;
  Decoder decoder(model);
  Arena arena;
  const ExecutionOptions execution = execution_of(options);
  window_seconds(model, arena, execution);  // packs the weights
  std::vector<double> cached, recomputed, ratios;
  for (int i = 0; i < repeat; ++i) {
    const double n = static_cast<double>(tokens);
    cached.push_back(cached_seconds(decoder, tokens) / n);
    recomputed.push_back(window_seconds(model, arena, execution));
    ratios.push_back(recomputed.back() / cached.back());
  }
  table.milliseconds("token, cached", cached);
  table.milliseconds("token, window", recomputed);
  table.ratio("times as fast", ratios);
  table.finish();
}

}  // namespace gmlp
