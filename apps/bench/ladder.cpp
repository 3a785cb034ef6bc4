// gmlp-bench ladder: the block's first stage, z = gelu(layernorm(x) Wᵀ + b), from three loops to
// the fused kernel, one idea per rung, on one thread. docs/kernels.md explains each rung.
//
// Every rung's result is checked against kernels/reference. All rungs but the last make four
// passes: norm, product, bias, GELU.

#include <string>
#include <vector>

#include "apps/bench/ladder/rungs.h"
#include "apps/bench/measure.h"
#include "apps/bench/products.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

constexpr int64_t kRows = 8 * 196;  // gMLP-S/16 at batch 8
constexpr int64_t kIn = 256;
constexpr int64_t kOut = 1536;
constexpr double kFlops = 2.0 * kRows * kIn * kOut;
constexpr float kEps = 1e-6F;

struct Rung {
  const char* name;
  ladder::Multiply* multiply;  // nullptr: the fused kernel
  bool packed = false;         // B in panels
  bool vectorized = false;     // norm, bias and GELU, else the reference's
};

std::vector<Rung> all_rungs(const ladder::Rungs& rungs) {
  const ladder::Rungs& scalar = fused::scalar::rungs();
  return {{"three loops: i j k", scalar.dots},
          {"reordered: i k j", scalar.rows},
          {"four rows of B at once", scalar.four_rows},
          {"wider vectors", rungs.four_rows},
          {"sums of a row in registers", rungs.row_sums},
          {"register tile", rungs.tile},
          {"packed panels", rungs.panels, true},
          {"vectorized norm and GELU", rungs.panels, true, true},
          {"fused: norm_fc1_gelu", nullptr}};
}

/// Operands and buffers of all rungs.
struct Stage {
  const ladder::Rungs& rungs = ladder::rungs_in_use();
  Tensor x = random_numbers({kRows, kIn}, 1.7);
  Tensor gamma = random_numbers({kIn}, 1.0);
  Tensor beta = random_numbers({kIn}, 0.5);
  Tensor weight = random_numbers({kOut, kIn}, 0.1);
  Tensor bias = random_numbers({kOut}, 1.0);
  Tensor b = transposed(weight);  // B of the product
  Tensor packed = zeros({kIn, kOut});
  Tensor x_hat = zeros({kRows, kIn});
  Tensor stats = zeros({2, kRows});
  Tensor z = zeros({kRows, kOut});
  Contender fused = norm_fc1_gelu(x, gamma, beta, weight, bias, false);

  Stage() { rungs.pack(floats(packed), floats(b), kOut, kIn); }

  void norm(bool vectorized) const {
    float *mean = floats(stats), *rstd = mean + kRows;
    if (vectorized) {
      fused::kernels().layernorm_forward(floats(x_hat), mean, rstd, floats(x), floats(gamma),
                                         floats(beta), {kRows, kIn, kEps});
    } else {
      reference::layernorm_forward(floats(x_hat), mean, rstd, floats(x), floats(gamma),
                                   floats(beta), kRows, kIn, double{kEps});
    }
  }
  void bias_gelu(bool vectorized) const {
    float* out = floats(z);
    if (vectorized) return rungs.bias_gelu(out, floats(bias), kRows, kOut);
    for (int64_t i = 0; i < kRows * kOut; ++i) out[i] += floats(bias)[i % kOut];
    reference::gelu_forward(out, out, kRows * kOut);
  }
  Tensor expected() const {
    Tensor y = zeros({kRows, kOut});
    norm(false);
    reference::linear_forward(floats(y), floats(x_hat), floats(weight), floats(bias), kRows, kIn,
                              kOut);
    reference::gelu_forward(floats(y), floats(y), kRows * kOut);
    return y;
  }
  /// Returns the seconds of the product alone; 0 if it is fused.
  double run(const Rung& rung) const {
    if (rung.multiply == nullptr) {
      fused.run();
      return 0;
    }
    norm(rung.vectorized);
    const double start = now_seconds();
    rung.multiply(floats(z), floats(x_hat), floats(rung.packed ? packed : b), kRows, kOut, kIn);
    const double seconds = now_seconds() - start;
    bias_gelu(rung.vectorized);
    return seconds;
  }
};

/// Measures a rung `repeat` times, prints its line and returns its row.
Json measure_rung(const Stage& stage, const Rung& rung, size_t number, int64_t repeat) {
  std::vector<double> all, product;
  const auto run = [&] {
    all.clear();
    product.clear();
    for (int64_t i = 0; i < repeat; ++i) {
      const double start = now_seconds();
      product.push_back(stage.run(rung));
      all.push_back(now_seconds() - start);
    }
  };
  const Peak peak = with_steady_peak([] { return peak_gflops("f32", kPeakSeconds); }, run);
  Json row = {{"rung", number}, {"name", rung.name}};
  const Speed speed = add_speed(row, all, kFlops, "GFLOP/s", peak);
  std::string product_ms, product_percent;
  if (rung.multiply != nullptr) {
    Json alone;
    const Speed product_speed = add_speed(alone, product, kFlops, "GFLOP/s", peak);
    row["product_ms"] = alone["ms"];
    row["product_share_of_peak_percent"] = product_speed.share_percent;
    product_ms = fmt::format("{:.2f}", product_speed.ms);
    product_percent = fmt::format("{:.1f} %", product_speed.share_percent);
  }
  fmt::print("{:>2}  {:<32}{:>10}{:>9}  {:>9.2f}{:>12.2f}{:>7.1f} %\n", number, rung.name,
             product_ms, product_percent, speed.ms, speed.rate, speed.share_percent);
  if (peak.moved) fmt::print("    (the peak moved during this rung: run again)\n");
  return row;
}

}  // namespace

/// The rungs are f32, so avx512bf16 and amx use those of avx512.
const ladder::Rungs& ladder::rungs_in_use() {
  [[maybe_unused]] const std::string isa = isa_name();
#if defined(GMLP_RUNGS_AVX512)
  if (isa.starts_with("avx512") || isa == "amx") return fused::avx512::rungs();
#endif
#if defined(GMLP_RUNGS_AVX2)
  if (isa == "avx2") return fused::avx2::rungs();
#endif
#if defined(GMLP_RUNGS_NEON)
  if (isa == "neon") return fused::neon::rungs();
#endif
  return fused::scalar::rungs();
}

Json run_ladder(const BenchOptions& options) {
  constexpr double kTolerance = 1e-4;  // of the largest element
  refuse_if(options.threads > 1,
            "--threads {}: every rung of the ladder runs on one thread; leave it out",
            options.threads);
  set_thread_count(1);
  const Stage stage;
  const Tensor expected = stage.expected();
  fmt::print(
      "{}\nz = gelu(layernorm(x) Wᵀ + b), x ({},{}), W ({},{}), z ({},{}), f32; register "
      "tile {} x {}; median of {}\n\n    {:<32}{:>10}{:>9}  {:>9}{:>12}{:>9}\n",
      machine_line(), kRows, kIn, kOut, kIn, kRows, kOut, stage.rungs.tile_rows,
      stage.rungs.tile_columns, options.repeat, "rung", "product ms", "of peak", "all ms",
      "GFLOP/s", "of peak");
  Json rows = Json::array();
  for (const Rung& rung : all_rungs(stage.rungs)) {
    stage.z.fill(0);
    stage.run(rung);
    require_agreement(fmt::format("{} differs from the reference", rung.name), expected,
                      rung.multiply == nullptr ? stage.fused.result : stage.z, kTolerance);
    rows.push_back(measure_rung(stage, rung, rows.size() + 1, options.repeat));
  }
  return rows;
}

}  // namespace gmlp
