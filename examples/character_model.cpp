// Trains a gMLP to continue a text, character by character, and lets it write.
//
//   character_model [FILE [STEPS]]
//
// Without a file it reads the GNU General Public License, which every Debian has. 300 steps take
// 14 s of processor time (Zen 4) and reach a held-out loss of 1.85 nats per character. 2,000 steps
// on the dictionary of `./dev demo-language`, build/demo/dictionary.txt, take 94 s and reach 1.49.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <gmlp/gmlp.h>

using gmlp::Arena;
using gmlp::Backend;
using gmlp::Tape;
using gmlp::Var;

namespace {

constexpr int64_t kTokens = 64;  // N: how many characters the model sees
constexpr int64_t kBatch = 32;   // B: windows per step
constexpr int64_t kSteps = 300;
constexpr uint64_t kSeed = 0;

// ---- 1. The text: each different character gets a number, its id ----

struct Text {
  std::string characters;  // the character of each id, sorted
  std::vector<int64_t> ids;
};

Text read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (std::ssize(bytes) < 20 * kTokens) gmlp::fail_input("{}: no text; name another file", path);
  const std::set<char> different(bytes.begin(), bytes.end());
  Text text{{different.begin(), different.end()}, {}};
  for (const char c : bytes) text.ids.push_back(static_cast<int64_t>(text.characters.find(c)));
  return text;
}

// ---- 2. The model ----

gmlp::LanguageConfig model_for(const Text& text) {
  gmlp::LanguageConfig config;
  config.vocab = std::ssize(text.characters);
  config.depth = 4;
  config.block.tokens = kTokens;
  config.block.d_model = 128;
  config.block.d_ffn = 512;
  config.block.causal = true;  // token i sees tokens 0 to i only
  config.block.spatial_init_std = 1e-3;
  return config;
}

// ---- 3. Windows: a target is the character that follows ----

struct Batch {
  std::vector<int64_t> inputs;   // (B, N)
  std::vector<int64_t> targets;  // (B, N), each the input one place further
};

void add_window(Batch& batch, const int64_t* first) {
  batch.inputs.insert(batch.inputs.end(), first, first + kTokens);
  batch.targets.insert(batch.targets.end(), first + 1, first + 1 + kTokens);
}

// Nats per character over ids that the training never sees.
double held_out_loss(gmlp::LanguageModel& model, const int64_t* begin, const int64_t* end,
                     Arena& arena) {
  Batch batch;
  int64_t windows = 0;
  for (; begin + kTokens < end && windows < 256; begin += kTokens, ++windows) {
    add_window(batch, begin);
  }
  arena.reset();
  Tape tape(arena, Backend::kFused, false);  // records nothing
  return tape.value(model.loss(tape, batch.inputs, batch.targets, windows, 1)).at(0);
}

// ---- 4. The training ----

void train(const std::string& path, int64_t steps) {
  const Text text = read_text(path);
  const int64_t* begin = text.ids.data();
  const int64_t* end = begin + std::ssize(text.ids);
  const int64_t* held_out = end - std::ssize(text.ids) / 10;  // the last tenth

  gmlp::LanguageModel model(model_for(text), gmlp::DType::kF32, kSeed);
  fmt::print("{} characters, {} different ones; {} parameters\n", end - begin,
             std::ssize(text.characters), gmlp::count_parameters(model.parameters()));
  gmlp::AdamW optimizer(model.parameters(), {});
  const gmlp::Schedule schedule{.lr = 3e-3, .warmup_steps = 50, .total_steps = steps};

  Arena arena;  // the memory of a step: allocated once, used in every step
  for (int64_t step = 0; step < steps; ++step) {
    gmlp::Random random(kSeed, gmlp::Purpose::kSample, static_cast<uint64_t>(step));
    Batch batch;
    for (int64_t i = 0; i < kBatch; ++i) {
      add_window(batch, begin + random.below(held_out - begin - kTokens));
    }
    arena.reset();
    Tape tape(arena, Backend::kFused, true);  // records each op for the backward
    const gmlp::ForwardContext context{
        .training = true, .drop_rate = 0.1, .seed = kSeed, .step = step};
    const Var loss = model.loss(tape, batch.inputs, batch.targets, kBatch, 1, context);
    tape.backward(loss);
    const double norm = gmlp::global_gradient_norm(model.parameters());
    optimizer.step(schedule.at(step), std::min(1.0, 1 / norm));  // clipped to a norm of 1
    if ((step + 1) % 100 == 0) {
      fmt::print("step {}/{}: loss {:.3f}\n", step + 1, steps, tape.value(loss).at(0));
    }
  }

  // ---- 5. It writes: each next character is drawn from the model's distribution ----
  std::vector<int64_t> all(text.characters.size());
  std::iota(all.begin(), all.end(), 0);
  const std::vector<int64_t> prompt(begin, begin + 20);
  gmlp::Generator generator(model, all, prompt, {});
  std::string written;
  for (int i = 0; i < 300; ++i) written += text.characters[static_cast<size_t>(generator.next())];
  fmt::print("---\n{}\n---\n", written);

  const double result = held_out_loss(model, held_out, end, arena);
  const double bar = steps <= kSteps ? 2.3 : 1.7;  // the long run is on a long text
  fmt::print("held-out loss: {:.3f} nats per character\n", result);
  if (!(result < bar)) gmlp::fail_run("a loss of at most {} was expected", bar);
}

}  // namespace

int main(int argc, char** argv) try {
  train(argc > 1 ? argv[1] : "/usr/share/common-licenses/GPL-3",
        argc > 2 ? std::atoll(argv[2]) : kSteps);
} catch (const std::exception& error) {
  fmt::print(stderr, "character_model: {}\n", error.what());
  return 1;
}
