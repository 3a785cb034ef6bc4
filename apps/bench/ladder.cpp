// gmlp-bench ladder: the block's first stage, z = gelu(layernorm(x) Wᵀ + b), from three loops to
// the fused kernel, one idea per rung, on one thread. docs/kernels.md explains each rung.
//
// Every rung's result is checked against kernels/reference. All rungs but the last make four
// passes: norm, product, bias, GELU.

#include <string>
#include <vector>

#include "apps/bench/cases.h"
#include "apps/bench/ladder/rungs.h"
#include "apps/bench/measure.h"
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

/// Seconds of each run, of all of it and of the product.
struct Times {
  std::vector<double> all, product;
};

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
  Contender fused =
      norm_fc1_gelu(x, gamma, beta, weight, bias, false, kRows, rungs.row_stride(kOut));

  Stage() { rungs.pack(floats(packed), floats(b), kOut, kIn); }

  void norm(bool vectorized) const {
    if (vectorized) {
      rungs.norm(floats(x_hat), floats(x), floats(gamma), floats(beta), kRows, kIn, kEps);
    } else {
      reference::layernorm_forward(floats(x_hat), floats(stats), floats(stats) + kRows, floats(x),
                                   floats(gamma), floats(beta), kRows, kIn,
                                   static_cast<double>(kEps));
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
  Times run(const Rung& rung, int repeat) const {
    Times times;
    for (int i = 0; i < repeat; ++i) {
      const double start = now_seconds();
      if (rung.multiply == nullptr) {
        fused.run();
      } else {
        norm(rung.vectorized);
        const double middle = now_seconds();
        rung.multiply(floats(z), floats(x_hat), floats(rung.packed ? packed : b), kRows, kOut, kIn);
        times.product.push_back(now_seconds() - middle);
        bias_gelu(rung.vectorized);
      }
      times.all.push_back(now_seconds() - start);
    }
    return times;
  }
};

/// Prints the rung's line and returns its row.
Json report_rung(const Rung& rung, size_t number, const Times& times, const Peak& peak) {
  const Speed all = speed_of(times.all, kFlops, peak);
  Json row = {{"rung", number}, {"name", rung.name}};
  add_speed(row, all, "GFLOP/s", peak);
  std::string product_ms, product_percent;
  if (!times.product.empty()) {
    const Speed product = speed_of(times.product, kFlops, peak);
    row["product_ms"] = to_json(product.ms);
    row["product_share_of_peak_percent"] = product.share_percent;
    product_ms = fmt::format("{:.2f}", product.ms.median);
    product_percent = fmt::format("{:.1f} %", product.share_percent);
  }
  fmt::print("{:>2}  {:<32}{:>10}{:>9}  {:>9.2f}{:>12.2f}{:>9}\n", number, rung.name, product_ms,
             product_percent, all.ms.median, all.rate.median,
             fmt::format("{:.1f} %", all.share_percent));
  if (peak.moved) fmt::print("    (the peak moved during this rung: run again)\n");
  return row;
}

}  // namespace

/// The rungs are f32, so avx512bf16 and amx use those of avx512.
const ladder::Rungs& ladder::rungs_in_use() {
  [[maybe_unused]] const std::string isa = fused::kernels().isa;
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

void run_ladder(const BenchOptions& options) {
  constexpr double kTolerance = 1e-4;  // of the largest element
  const int repeat = options.repeat_or(5);
  refuse_if(options.threads > 1,
            "--threads {}: every rung of the ladder runs on one thread; leave it out",
            options.threads);
  set_thread_count(1);
  const Stage stage;
  const Tensor expected = stage.expected();
  fmt::print(
      "{}\nz = gelu(layernorm(x) Wᵀ + b), x ({},{}), W ({},{}), z ({},{}), f32; register "
      "tile {} x {}; median of {}\n\n",
      machine_line(), kRows, kIn, kOut, kIn, kRows, kOut, stage.rungs.tile_rows,
      stage.rungs.tile_columns, repeat);
  fmt::print("    {:<32}{:>10}{:>9}  {:>9}{:>12}{:>9}\n", "rung", "product ms", "of peak", "all ms",
             "GFLOP/s", "of peak");
  Json rows = Json::array();
  for (const Rung& rung : all_rungs(stage.rungs)) {
    stage.z.fill(0);
    stage.run(rung, 1);
    require_agreement(fmt::format("{} differs from the reference", rung.name), expected,
                      rung.multiply == nullptr ? stage.fused.result() : stage.z, kTolerance);
    Times times;
    const Peak peak = with_steady_peak([] { return peak_gflops("f32", kPeakSeconds); },
                                       [&] { times = stage.run(rung, repeat); });
    rows.push_back(report_rung(rung, rows.size() + 1, times, peak));
  }
  write_rows(rows, options);
}

}  // namespace gmlp
