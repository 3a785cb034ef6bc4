// gmlp-bench ladder: the block's first stage, z = gelu(layernorm(x) Wᵀ + b), from three loops to
// the fused kernel, one idea a rung, on one thread. docs/kernels.md tells what each rung changes.
//
// All rungs compute the same, which the run checks against kernels/reference. Up to the last they
// make four passes: norm, product, bias, GELU.

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/bench/cases.h"
#include "apps/bench/ladder/rungs.h"
#include "apps/bench/measure.h"
#include "apps/bench/options.h"
#include "apps/bench/peaks.h"
#include "apps/bench/report.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

namespace gmlp::fused {

// Each instruction set that apps/bench/CMakeLists.txt compiles the rungs for.
namespace scalar {
const ladder::Rungs& rungs();
}
#if defined(GMLP_RUNGS_AVX2)
namespace avx2 {
const ladder::Rungs& rungs();
}
#endif
#if defined(GMLP_RUNGS_AVX512)
namespace avx512 {
const ladder::Rungs& rungs();
}
#endif
#if defined(GMLP_RUNGS_NEON)
namespace neon {
const ladder::Rungs& rungs();
}
#endif

}  // namespace gmlp::fused

namespace gmlp {

namespace ladder {

const Rungs& rungs_of(const char* isa) {
  const std::string name = isa;
#if defined(GMLP_RUNGS_AVX512)
  if (name.starts_with("avx512")) return fused::avx512::rungs();
#endif
#if defined(GMLP_RUNGS_AVX2)
  if (name == "avx2") return fused::avx2::rungs();
#endif
#if defined(GMLP_RUNGS_NEON)
  if (name == "neon") return fused::neon::rungs();
#endif
  return fused::scalar::rungs();
}

}  // namespace ladder

namespace {

constexpr int64_t kTokens = 196;  // gMLP-S/16 at batch 8
constexpr int64_t kSamples = 8;
constexpr int64_t kRows = kSamples * kTokens;
constexpr int64_t kIn = 256;
constexpr int64_t kOut = 1536;
constexpr double kFlops = 2.0 * kRows * kIn * kOut;
constexpr float kEps = 1e-6F;
constexpr double kTolerance = 1e-4;  // of the largest element

/// The stage's numbers; W twice, as the model holds it and as B of the product.
struct Stage {
  Tensor x = random_numbers({kRows, kIn}, 1.7);
  Tensor gamma = random_numbers({kIn}, 1.0);
  Tensor beta = random_numbers({kIn}, 0.5);
  Tensor weight = random_numbers({kOut, kIn}, 0.1);
  Tensor bias = random_numbers({kOut}, 1.0);
  Tensor b = Tensor::zeros(DType::kF32, {kIn, kOut});
  Tensor packed = Tensor::zeros(DType::kF32, {kIn, kOut});
  Tensor x_hat = Tensor::zeros(DType::kF32, {kRows, kIn});
  Tensor z = Tensor::zeros(DType::kF32, {kRows, kOut + 64});  // room for the fused kernel's rows
  Tensor stats = Tensor::zeros(DType::kF32, {2, kRows});
  Stage() {
    for (int64_t o = 0; o < kOut; ++o) {
      for (int64_t i = 0; i < kIn; ++i) {
        b.data<float>()[i * kOut + o] = weight.data<float>()[o * kIn + i];
      }
    }
  }
};

/// The passes before and after a product as their definitions, element by element.
void define_norm(const Stage& s) {
  reference::layernorm_forward(s.x_hat.data<float>(), s.stats.data<float>(),
                               s.stats.data<float>() + kRows, s.x.data<float>(),
                               s.gamma.data<float>(), s.beta.data<float>(), kRows, kIn,
                               static_cast<double>(kEps));
}
void define_bias_and_gelu(const Stage& s) {
  float* z = s.z.data<float>();
  for (int64_t i = 0; i < kRows * kOut; ++i) z[i] += s.bias.data<float>()[i % kOut];
  reference::gelu_forward(z, z, kRows * kOut);
}

/// What a rung does: its product, and all of it.
struct Rung {
  const char* name;
  std::function<void()> product;  // empty where it cannot be told apart
  std::function<void()> before, after;
  int64_t z_stride = kOut;
};

Rung with_definitions(const Stage& s, const char* name, ladder::Multiply multiply,
                      const Tensor& b) {
  return {name,
          [&s, &b, multiply] {
            multiply(s.z.data<float>(), s.x_hat.data<float>(), b.data<float>(), kRows, kOut, kIn);
          },
          [&s] { define_norm(s); }, [&s] { define_bias_and_gelu(s); }};
}

Rung with_vectors(const Stage& s, const char* name, const ladder::Rungs& rungs) {
  Rung rung = with_definitions(s, name, rungs.panels, s.packed);
  rung.before = [&s, &rungs] {
    rungs.norm(s.x_hat.data<float>(), s.x.data<float>(), s.gamma.data<float>(),
               s.beta.data<float>(), kRows, kIn, kEps);
  };
  rung.after = [&s, &rungs] {
    rungs.bias(s.z.data<float>(), s.bias.data<float>(), kRows, kOut);
    rungs.gelu(s.z.data<float>(), kRows * kOut);
  };
  return rung;
}

Rung fused_rung(const Stage& s, const char* name, const ladder::Rungs& rungs) {
  fused::BlockShape shape{};
  shape.batch = kSamples;
  shape.tokens = kTokens;
  shape.d_model = kIn;
  shape.d_ffn = kOut;
  shape.norm_eps = kEps;
  shape.gate_eps = kEps;
  fused::BlockWeights<const float*> weights{};
  weights.norm_weight = s.gamma.data<float>();
  weights.norm_bias = s.beta.data<float>();
  weights.fc1_weight = s.weight.data<float>();
  weights.fc1_bias = s.bias.data<float>();
  const Tensor room = Tensor::zeros(DType::kF32, {fused::kernels().block_workspace(shape) / 4 + 1});
  const auto call = [&s, shape, weights, room](void* z) {
    fused::kernels().norm_fc1_gelu(z, s.x.data<float>(), weights, room.raw(), shape);
  };
  call(nullptr);  // packs the weight
  return {name, nullptr, nullptr, [&s, call] { call(s.z.raw()); }, rungs.row_stride(kOut)};
}

std::vector<Rung> all_rungs(const Stage& s, const ladder::Rungs& rungs) {
  const ladder::Rungs& plain = ladder::rungs_of("scalar");
  return {with_definitions(s, "three loops: i, j, k", plain.dots, s.b),
          with_definitions(s, "reordered: i, k, j", plain.rows, s.b),
          with_definitions(s, "four rows of B at once", plain.four_rows, s.b),
          with_definitions(s, "the same, wider vectors", rungs.four_rows, s.b),
          with_definitions(s, "sums of a row in registers", rungs.row_sums, s.b),
          with_definitions(s, "register tile", rungs.tile, s.b),
          with_definitions(s, "packed panels", rungs.panels, s.packed),
          with_vectors(s, "vector norm, bias, GELU", rungs),
          fused_rung(s, "fused: norm_fc1_gelu", rungs)};
}

/// Where the rungs' z differs from the reference's, the time of that rung means nothing.
void check_result(const Stage& s, const Rung& rung, const Tensor& expected) {
  double largest = 0;
  double difference = 0;
  for (int64_t r = 0; r < kRows; ++r) {
    const float* want = expected.data<float>() + r * kOut;
    const float* got = s.z.data<float>() + r * rung.z_stride;
    for (int64_t c = 0; c < kOut; ++c) {
      largest = std::max(largest, static_cast<double>(std::abs(want[c])));
      difference = worse(difference, static_cast<double>(std::abs(want[c] - got[c])));
    }
  }
  if (!(difference <= kTolerance * largest)) {
    fail_run(
        "{}: differs from the reference by {:.3g} where the largest number is {:.3g}; its "
        "time means nothing, so mend apps/bench/ladder or the kernel first",
        rung.name, difference, largest);
  }
}

Tensor expected_of(const Stage& s) {
  Tensor z = Tensor::zeros(DType::kF32, {kRows, kOut});
  define_norm(s);
  reference::linear_forward(z.data<float>(), s.x_hat.data<float>(), s.weight.data<float>(),
                            s.bias.data<float>(), kRows, kIn, kOut);
  reference::gelu_forward(z.data<float>(), z.data<float>(), kRows * kOut);
  return z;
}

struct Times {
  std::vector<double> all;      // seconds
  std::vector<double> product;  // empty where it cannot be told apart
  double peak = 0;              // GFLOP/s, the mean of before and after
  bool moved = false;
};

Times run_often(const Rung& rung, int repeat) {
  Times times;
  for (int i = 0; i < repeat; ++i) {
    const double start = now_seconds();
    if (rung.before) rung.before();
    const double middle = now_seconds();
    if (rung.product) rung.product();
    const double end = now_seconds();
    if (rung.after) rung.after();
    times.all.push_back(now_seconds() - start);
    if (rung.product) times.product.push_back(end - middle);
  }
  return times;
}

/// Again while the peak moves, a few times.
Times measure(const Rung& rung, int repeat) {
  Times times;
  for (int attempt = 0; attempt < kPeakAttempts; ++attempt) {
    const double before = peak_gflops("f32", 1, kPeakSeconds);
    times = run_often(rung, repeat);
    const double after = peak_gflops("f32", 1, kPeakSeconds);
    times.peak = (before + after) / 2;
    times.moved = peak_moved(before, after);
    if (!times.moved) break;
  }
  return times;
}

void add_row(Report& report, int number, const Rung& rung, const Times& times) {
  const auto ms = [](double seconds) { return 1e3 * seconds; };
  const auto rate = [](double seconds) { return 1e-9 * kFlops / seconds; };
  const Spread all = spread_of(times.all, ms);
  const Spread speed = spread_of(times.all, rate);
  const double share = 100 * speed.median / times.peak;
  Json row = {{"rung", number},
              {"name", rung.name},
              {"ms", to_json(all)},
              {"rate", to_json(speed)},
              {"unit", "GFLOP/s"},
              {"peak", times.peak},
              {"peak_moved", times.moved},
              {"share_of_peak_percent", share}};
  std::string product;
  std::string product_share;
  if (!times.product.empty()) {
    const Spread alone = spread_of(times.product, ms);
    const double percent = 100 * spread_of(times.product, rate).median / times.peak;
    row["product_ms"] = to_json(alone);
    row["product_share_of_peak_percent"] = percent;
    product = fmt::format("{:.2f}", alone.median);
    product_share = fmt::format("{:.1f} %", percent);
  }
  report.add(row);
  fmt::print("{:>2}  {:<32}{:>10}{:>9}  {:>9.2f}{:>12.2f}{:>9}\n", number, rung.name, product,
             product_share, all.median, speed.median, fmt::format("{:.1f} %", share));
}

}  // namespace

void run_ladder(const BenchOptions& options) {
  const int repeat = options.repeat_or(5);
  if (options.threads > 1) {
    fail_input("--threads {}: every rung of the ladder runs on one thread; leave it out",
               options.threads);
  }
  set_thread_count(1);
  const ladder::Rungs& rungs = ladder::rungs_of(fused::kernels().isa);
  const Stage stage;
  rungs.pack(stage.packed.data<float>(), stage.b.data<float>(), kOut, kIn);
  const Tensor expected = expected_of(stage);
  fmt::print(
      "{}\nz = gelu(layernorm(x) Wᵀ + b), x ({},{}), W ({},{}), z ({},{}), f32; register "
      "tile {} x {}; median of {}\n\n",
      machine_line(), kRows, kIn, kOut, kIn, kRows, kOut, rungs.tile_rows, rungs.panel, repeat);
  fmt::print("    {:<32}{:>10}{:>9}  {:>9}{:>12}{:>9}\n", "rung", "product ms", "of peak", "all ms",
             "GFLOP/s", "of peak");
  Report report;
  int number = 0;
  for (const Rung& rung : all_rungs(stage, rungs)) {
    stage.z.fill(0);
    run_often(rung, 1);
    check_result(stage, rung, expected);
    const Times times = measure(rung, repeat);
    add_row(report, ++number, rung, times);
    if (times.moved) fmt::print("    (the peak moved during this rung: run again)\n");
  }
  report.write(options.json);
}

}  // namespace gmlp
