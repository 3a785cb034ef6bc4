// Another program: trains one gMLP block to name the class of each token.
#include <cstdint>
#include <vector>

#include <fmt/core.h>
#include <gmlp/gmlp.h>

static_assert(GMLP_VERSION_MAJOR * 100 + GMLP_VERSION_MINOR >= 1);

int main() {
  gmlp::ParameterList parameters(gmlp::DType::kF32, 0);
  gmlp::GmlpBlock block(parameters, "block.", {.tokens = 4, .d_model = 16, .d_ffn = 32});
  gmlp::AdamW optimizer(parameters.all(), {});
  const gmlp::Tensor x = gmlp::Tensor::zeros(gmlp::DType::kF32, {8, 4, 16});
  gmlp::Random random(0, gmlp::Purpose::kSample);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < x.elements(); ++i) x.data<float>()[i] = float(random.normal());
  for (int64_t i = 0; i < 32; ++i) ids.push_back(random.below(16));
  gmlp::Arena arena;
  double first = 0, last = 0;
  for (int step = 0; step < 100; ++step) {
    arena.reset();
    gmlp::Tape tape(arena, gmlp::Backend::kFused, true);
    const gmlp::Var y = block.forward(tape, tape.constant(x), {});
    const gmlp::Var loss = gmlp::cross_entropy_ids(tape, y, ids, 1);
    tape.backward(loss);
    optimizer.step(1e-2, 1);
    last = tape.value(loss).at(0);
    if (step == 0) first = last;
  }
  fmt::print("gmlp {} on {}: loss {:.3f}, then {:.3f}\n", GMLP_VERSION_STRING, gmlp::isa_name(),
             first, last);
  return last < first / 4 ? 0 : 1;
}
