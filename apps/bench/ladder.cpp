// gmlp-bench ladder: the block's first stage, z = gelu(layernorm(x) Wᵀ + b), from three loops to
// the fused kernel, one idea per rung, on one thread. docs/kernels.md explains each rung.
//
// Every rung's result is checked against kernels/reference. All rungs but the last make four
// passes: norm, product, bias, GELU.

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apps/bench/cases.h"
#include "apps/bench/chart.h"
#include "apps/bench/ladder/rungs.h"
#include "apps/bench/measure.h"
#include "apps/bench/options.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

constexpr int64_t kRows = 8 * 196;  // gMLP-S/16 at batch 8
constexpr int64_t kIn = 256;
constexpr int64_t kOut = 1536;
constexpr double kFlops = 2.0 * kRows * kIn * kOut;
constexpr float kEps = 1e-6F;

/// The rungs are f32, so avx512bf16 uses those of avx512.
const ladder::Rungs& rungs_of(const std::string& isa) {
#if defined(GMLP_RUNGS_AVX512)
  if (isa.starts_with("avx512")) return fused::avx512::rungs();
#endif
#if defined(GMLP_RUNGS_AVX2)
  if (isa == "avx2") return fused::avx2::rungs();
#endif
#if defined(GMLP_RUNGS_NEON)
  if (isa == "neon") return fused::neon::rungs();
#endif
  return fused::scalar::rungs();
}

/// Operands and buffers of all rungs.
struct Stage {
  const ladder::Rungs& rungs;
  Tensor x = random_numbers({kRows, kIn}, 1.7);
  Tensor gamma = random_numbers({kIn}, 1.0);
  Tensor beta = random_numbers({kIn}, 0.5);
  Tensor weight = random_numbers({kOut, kIn}, 0.1);
  Tensor bias = random_numbers({kOut}, 1.0);
  Tensor b = transposed(weight);  // B of the product
  Tensor packed = Tensor::zeros(DType::kF32, {kIn, kOut});
  Tensor x_hat = Tensor::zeros(DType::kF32, {kRows, kIn});
  Tensor stats = Tensor::zeros(DType::kF32, {2, kRows});
  Tensor z = Tensor::zeros(DType::kF32, {kRows, kOut});

  explicit Stage(const ladder::Rungs& of_isa) : rungs(of_isa) {
    rungs.pack(floats(packed), floats(b), kOut, kIn);
  }
  void reference_norm() const {
    reference::layernorm_forward(floats(x_hat), floats(stats), floats(stats) + kRows, floats(x),
                                 floats(gamma), floats(beta), kRows, kIn,
                                 static_cast<double>(kEps));
  }
  void reference_bias_gelu() const {
    float* out = floats(z);
    for (int64_t i = 0; i < kRows * kOut; ++i) out[i] += floats(bias)[i % kOut];
    reference::gelu_forward(out, out, kRows * kOut);
  }
  Tensor expected() const {
    Tensor y = Tensor::zeros(DType::kF32, {kRows, kOut});
    reference_norm();
    reference::linear_forward(floats(y), floats(x_hat), floats(weight), floats(bias), kRows, kIn,
                              kOut);
    reference::gelu_forward(floats(y), floats(y), kRows * kOut);
    return y;
  }
};

struct Rung {
  std::string name;
  std::function<void()> norm;  // empty for the fused kernel, whose product is all of its work
  std::function<void()> product;
  std::function<void()> bias_gelu;
  std::function<Tensor()> result;
};

/// A product between the reference's norm, bias and GELU.
Rung product_rung(const Stage& s, const char* name, ladder::Multiply* multiply, const Tensor& b) {
  return {
      name, [&s] { s.reference_norm(); },
      [&s, &b, multiply] { multiply(floats(s.z), floats(s.x_hat), floats(b), kRows, kOut, kIn); },
      [&s] { s.reference_bias_gelu(); }, [&s] { return s.z; }};
}

Rung vectorized_rung(const Stage& s, const char* name) {
  Rung rung = product_rung(s, name, s.rungs.panels, s.packed);
  rung.norm = [&s] {
    s.rungs.norm(floats(s.x_hat), floats(s.x), floats(s.gamma), floats(s.beta), kRows, kIn, kEps);
  };
  rung.bias_gelu = [&s] {
    s.rungs.bias(floats(s.z), floats(s.bias), kRows, kOut);
    s.rungs.gelu(floats(s.z), kRows * kOut);
  };
  return rung;
}

Rung fused_rung(const Stage& s, const char* name) {
  const Contender fused =
      norm_fc1_gelu(s.x, s.gamma, s.beta, s.weight, s.bias, false, kRows, s.rungs.row_stride(kOut));
  return {name, nullptr, fused.run, nullptr, fused.result};
}

std::vector<Rung> all_rungs(const Stage& s) {
  const ladder::Rungs& scalar = fused::scalar::rungs();
  return {product_rung(s, "three loops: i j k", scalar.dots, s.b),
          product_rung(s, "reordered: i k j", scalar.rows, s.b),
          product_rung(s, "four rows of B at once", scalar.four_rows, s.b),
          product_rung(s, "wider vectors", s.rungs.four_rows, s.b),
          product_rung(s, "sums of a row in registers", s.rungs.row_sums, s.b),
          product_rung(s, "register tile", s.rungs.tile, s.b),
          product_rung(s, "packed panels", s.rungs.panels, s.packed),
          vectorized_rung(s, "vectorized norm and GELU"),
          fused_rung(s, "fused: norm_fc1_gelu")};
}

/// Seconds of each run.
struct Times {
  std::vector<double> all, product;
};

Times run_rung(const Rung& rung, int repeat) {
  Times times;
  for (int i = 0; i < repeat; ++i) {
    const double start = now_seconds();
    if (rung.norm) rung.norm();
    const double middle = now_seconds();
    rung.product();
    times.product.push_back(now_seconds() - middle);
    if (rung.bias_gelu) rung.bias_gelu();
    times.all.push_back(now_seconds() - start);
  }
  return times;
}

/// Prints the rung's line and adds its row and its bars.
void report_rung(const Rung& rung, const Times& times, const Peak& peak, Report& report,
                 BarChart& chart) {
  const size_t number = chart.groups.size() + 1;
  const Speed all = speed_of(times.all, kFlops, peak);
  Json row = {{"rung", number}, {"name", rung.name}};
  add_speed(row, all, "GFLOP/s", peak);
  double product_share = NAN;
  std::string product_ms, product_percent;
  if (rung.norm) {
    const Speed product = speed_of(times.product, kFlops, peak);
    product_share = product.share_percent;
    row["product_ms"] = to_json(product.ms);
    row["product_share_of_peak_percent"] = product_share;
    product_ms = fmt::format("{:.2f}", product.ms.median);
    product_percent = fmt::format("{:.1f} %", product_share);
  }
  report.add(row);
  chart.groups.push_back(
      {fmt::format("{} {}", number, rung.name), {product_share, all.share_percent}});
  fmt::print("{:>2}  {:<32}{:>10}{:>9}  {:>9.2f}{:>12.2f}{:>9}\n", number, rung.name, product_ms,
             product_percent, all.ms.median, all.rate.median,
             fmt::format("{:.1f} %", all.share_percent));
  if (peak.moved) fmt::print("    (the peak moved during this rung: run again)\n");
}

}  // namespace

void run_ladder(const BenchOptions& options) {
  constexpr double kTolerance = 1e-4;  // of the largest element
  const int repeat = options.repeat_or(5);
  if (options.threads > 1) {
    fail_input("--threads {}: every rung of the ladder runs on one thread; leave it out",
               options.threads);
  }
  set_thread_count(1);
  const Stage stage(rungs_of(fused::kernels().isa));
  const Tensor expected = stage.expected();
  fmt::print(
      "{}\nz = gelu(layernorm(x) Wᵀ + b), x ({},{}), W ({},{}), z ({},{}), f32; register "
      "tile {} x {}; median of {}\n\n",
      machine_line(), kRows, kIn, kOut, kIn, kRows, kOut, stage.rungs.tile_rows,
      stage.rungs.tile_columns, repeat);
  fmt::print("    {:<32}{:>10}{:>9}  {:>9}{:>12}{:>9}\n", "rung", "product ms", "of peak", "all ms",
             "GFLOP/s", "of peak");
  Report report;
  BarChart chart{"From three loops to the fused kernel",
                 machine_line(),
                 "% of one core's peak",
                 {"product alone", "with norm and GELU"},
                 {}};
  for (const Rung& rung : all_rungs(stage)) {
    stage.z.fill(0);
    run_rung(rung, 1);
    require_agreement(rung.name + " differs from the reference", expected, rung.result(),
                      kTolerance);
    Times times;
    const Peak peak = with_steady_peak([] { return peak_gflops("f32", 1); },
                                       [&] { times = run_rung(rung, repeat); });
    report_rung(rung, times, peak, report, chart);
  }
  report.write(options.json);
  write_chart(chart, options);
}

}  // namespace gmlp
