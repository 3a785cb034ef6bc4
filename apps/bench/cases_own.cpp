// What no library has in one call: the block in both directions, the linear layers in both
// directions, AdamW, GELU. The block runs through the tape, as in training.

#include <fmt/format.h>

#include "apps/bench/cases.h"
#include "autograd/tape.h"
#include "kernels/kernels.h"
#include "models/gmlp_block.h"

namespace gmlp {

namespace {

struct BlockSize {
  const char* model;
  int64_t batch, tokens, d_model, d_ffn;
};

// One block of each model that performance is promised for, at the batch of the promise.
constexpr BlockSize kBlocks[] = {{"S/16", 8, 196, 256, 1536},
                                 {"Ti/16", 16, 196, 128, 768},
                                 {"micro", 128, 49, 128, 512},
                                 {"language", 16, 128, 512, 3072}};

/// One block and its tape. The arena is rewound before each run, as a step does.
struct BlockRun {
  ParameterList parameters;
  GmlpBlock block;
  Arena arena;
  Tensor x, dy;
  ExecutionOptions execution;
  BlockRun(const BlockConfig& config, int64_t batch, bool bf16)
      : parameters(DType::kF32, 1),
        block(parameters, "blocks.0.", config),
        x(random_numbers({batch, config.tokens, config.d_model}, 1.7)),
        dy(random_numbers({batch, config.tokens, config.d_model}, 1e-3)) {
    if (bf16) execution.precision = fused::Precision::kBf16;
  }
  void forward() {
    arena.reset();
    Tape tape(arena, execution, false);
    block.forward(tape, tape.constant(x), {});
  }
  void both() {
    arena.reset();
    // A leaf wants its gradient, as the output of the block before would.
    Tape tape(arena, execution, true);
    tape.backward(block.forward(tape, tape.leaf(x), {}), dy);
  }
};

Case block_case(const BlockSize& size, bool backward, bool bf16) {
  BlockConfig config;
  config.tokens = size.tokens;
  config.d_model = size.d_model;
  config.d_ffn = size.d_ffn;
  const std::shared_ptr<BlockRun> run = std::make_shared<BlockRun>(config, size.batch, bf16);
  Case c;
  c.kernel = backward ? "block, forward + backward" : "block, forward";
  c.shape = fmt::format("{} B{}", size.model, size.batch);
  c.precision = bf16 ? "bf16" : "f32";
  c.work = (backward ? 3 : 1) * static_cast<double>(size.batch) * config.forward_flops();
  c.contenders.push_back({kOurs, kOurColour,
                          [run, backward] {
                            if (backward) {
                              run->both();
                            } else {
                              run->forward();
                            }
                          },
                          nullptr});
  return c;
}

struct LinearSize {
  const char* what;
  fused::LinearShape shape;
};

// The layers outside of the blocks: rows, in, out.
constexpr LinearSize kLinears[] = {{"stem S/16 B8", {1568, 768, 256}},
                                   {"head S/16 B8", {8, 256, 1000}},
                                   {"words d512", {2048, 512, 1024}}};

/// Both directions share inputs and workspace. Gradients add up from run to run, which costs a step
/// the same: there, too, they are added to what is there.
struct LinearRun {
  fused::LinearShape shape;
  Tensor x, weight, bias, y, dx, dweight, dbias, room;
  explicit LinearRun(const fused::LinearShape& s)
      : shape(s),
        x(random_numbers({s.rows, s.in}, 1.7)),
        weight(random_numbers({s.out, s.in}, 0.1)),
        bias(random_numbers({s.out}, 1.0)),
        y(random_numbers({s.rows, s.out}, 1e-3)),  // backward, alone, takes it for dy
        dx(Tensor::zeros(DType::kF32, {s.rows, s.in})),
        dweight(Tensor::zeros(DType::kF32, {s.out, s.in})),
        dbias(Tensor::zeros(DType::kF32, {s.out})),
        room(Tensor::zeros(DType::kF32, {fused::kernels().linear_workspace(s) / 4 + 1})) {}
  void forward() const {
    fused::kernels().linear_forward(y.data<float>(), x.data<float>(), weight.data<float>(),
                                    bias.data<float>(), room.raw(), shape);
  }
  void backward() const {
    fused::kernels().linear_backward(dx.data<float>(), dweight.data<float>(), dbias.data<float>(),
                                     y.data<float>(), x.data<float>(), weight.data<float>(),
                                     room.raw(), shape);
  }
};

Case linear_case(const LinearSize& size, bool backward) {
  const std::shared_ptr<LinearRun> run = std::make_shared<LinearRun>(size.shape);
  const fused::LinearShape& s = size.shape;
  Case c;
  c.kernel = backward ? "linear, backward" : "linear, forward";
  c.shape = size.what;
  c.precision = "f32";
  c.work = (backward ? 4.0 : 2.0) * static_cast<double>(s.rows * s.in * s.out);
  c.contenders.push_back({kOurs, kOurColour,
                          [run, backward] {
                            if (backward) {
                              run->backward();
                            } else {
                              run->forward();
                            }
                          },
                          nullptr});
  return c;
}

/// Reads and writes weight, both moments and gradient, which it zeroes.
Case adamw_case() {
  constexpr int64_t kElements = 19'500'000;  // gMLP-S/16
  const Tensor weight = random_numbers({kElements}, 1.0);
  const Tensor m = Tensor::zeros(DType::kF32, {kElements});
  const Tensor v = Tensor::zeros(DType::kF32, {kElements});
  const Tensor grad = random_numbers({kElements}, 1e-3);
  Case c;
  c.kernel = "adamw";
  c.shape = "S/16, 19.5 M";
  c.precision = "f32";
  c.kind = Work::kBytes;
  c.work = 8.0 * sizeof(float) * kElements;
  c.contenders.push_back(
      {kOurs, kOurColour,
       [=] {
         const fused::AdamWFactors factors{1, 0.9F, 0.1F, 0.999F, 0.001F, 0.001F, 1.0F, 1e-6F, 1};
         fused::kernels().adamw_update(weight.data<float>(), m.data<float>(), v.data<float>(),
                                       grad.data<float>(), kElements, factors);
       },
       nullptr});
  return c;
}

/// On one thread: inside the fused kernels each thread does its own.
Case gelu_case() {
  constexpr int64_t kElements = 1568 * 1536;
  const Tensor x = random_numbers({kElements}, 4.0);
  const Tensor y = Tensor::zeros(DType::kF32, {kElements});
  const Tensor dy = random_numbers({kElements}, 1.0);
  const Tensor dx = Tensor::zeros(DType::kF32, {kElements});
  Case c;
  c.kernel = "gelu, forward and backward";
  c.shape = "1568x1536, 1 thread";
  c.precision = "f32";
  c.kind = Work::kBytes;
  c.work = 5.0 * sizeof(float) * kElements;
  c.one_thread = true;
  c.contenders.push_back({kOurs, kOurColour,
                          [=] {
                            const fused::Kernels& kernels = fused::kernels();
                            kernels.gelu_forward(y.data<float>(), x.data<float>(), kElements);
                            kernels.gelu_backward(dx.data<float>(), dy.data<float>(),
                                                  x.data<float>(), kElements);
                          },
                          nullptr});
  return c;
}

}  // namespace

void add_own_cases(std::vector<CaseMaker>& cases) {
  for (const bool bf16 : {false, true}) {
    for (const bool backward : {false, true}) {
      for (const BlockSize& size : kBlocks) {
        cases.emplace_back([=] { return block_case(size, backward, bf16); });
      }
    }
  }
  for (const bool backward : {false, true}) {
    for (const LinearSize& size : kLinears) {
      cases.emplace_back([=] { return linear_case(size, backward); });
    }
  }
  cases.emplace_back(adamw_case);
  cases.emplace_back(gelu_case);
}

}  // namespace gmlp
