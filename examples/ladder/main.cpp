// From three loops to the fused kernel: the first stage of a gMLP block,
//
//   z = gelu(layernorm(x) Wᵀ + b)        x (1568,256), W (1536,256): gMLP-S/16 with eight images
//
// on nine rungs, one idea per rung. rungs.cpp is the lesson. This program checks the result of
// each rung against the reference, measures it on one thread, and prints its share of the peak.
//
//   ladder [FILE.json [REPEAT]]      tools/plot.py bench FILE.json draws the shares

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <gmlp/gmlp.h>

#include "ladder/rungs.h"

using gmlp::Tensor;
using Json = nlohmann::ordered_json;

namespace {

constexpr int64_t kBatch = 8, kTokens = 196, kRows = kBatch * kTokens, kIn = 256, kOut = 1536;
constexpr double kFlops = 2.0 * kRows * kIn * kOut;
constexpr float kEps = 1e-6F;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// ---- 1. The rungs ----

struct Rung {
  const char* name;
  ladder::Product* product;    // nullptr: the fused kernel
  bool packed = false;         // B in panels
  bool vector_passes = false;  // norm and GELU on vectors
};

/// The best that this processor runs, or what GMLP_ISA names. bf16 and AMX add nothing to f32.
const ladder::Rungs& best_rungs() {
#if defined(__x86_64__)
  const std::string isa = gmlp::isa_name();
  if (isa.starts_with("avx512") || isa == "amx") return ladder::avx512::kRungs;
  if (isa == "avx2") return ladder::avx2::kRungs;
#endif
  return ladder::baseline::kRungs;
}

std::vector<Rung> all_rungs() {
  const ladder::Rungs &plain = ladder::baseline::kRungs, &best = best_rungs();
  return {{"three loops: i j k", plain.three_loops},
          {"reordered: i k j", plain.reordered},
          {"four rows of B at once", plain.four_rows},
          {"wider vectors", best.four_rows},
          {"sums of a row in registers", best.row_in_registers},
          {"register tile", best.register_tile},
          {"packed panels", best.packed_panels, true},
          {"vector norm and GELU", best.packed_panels, true, true},
          {"fused: norm_fc1_gelu", nullptr}};
}

// ---- 2. The stage: norm, product, bias and GELU, in four passes or fused ----

float* floats(const Tensor& tensor) {
  return tensor.data<float>();
}

Tensor zeros(const gmlp::Shape& shape) {
  return Tensor::zeros(gmlp::DType::kF32, shape);
}

void fill_randomly(const Tensor& tensor, double scale) {
  gmlp::Random random(1, gmlp::Purpose::kSample, static_cast<uint64_t>(tensor.elements()));
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    floats(tensor)[i] = static_cast<float>(random.uniform(-scale, scale));
  }
}

struct Stage {
  gmlp::ParameterList parameters{gmlp::DType::kF32, 0};
  gmlp::LayerNorm norm{parameters, "norm.", kIn, kEps};
  gmlp::Linear fc1{parameters, "fc1.", {kOut, kIn}};
  Tensor x = zeros({kRows, kIn}), x_hat = zeros({kRows, kIn}), statistics = zeros({2, kRows});
  Tensor b = zeros({kIn, kOut}), packed = zeros({kIn, kOut});  // Wᵀ
  Tensor z = zeros({kRows, kOut});
  // The fused kernel's: 64 bytes more per row, as rows of a multiple of 2 KB would share few sets
  // of the L1 cache.
  Tensor padded_z = zeros({kRows, kOut + 16});
  gmlp::fused::BlockShape shape{.batch = kBatch,
                                .tokens = kTokens,
                                .d_model = kIn,
                                .d_ffn = kOut,
                                .norm_eps = kEps,
                                .gate_eps = kEps};
  Tensor workspace = zeros({gmlp::fused::kernels().block_workspace(shape) / 4 + 1});

  Stage() {
    fill_randomly(x, 1.7);
    fill_randomly(norm.weight->value, 1);
    fill_randomly(norm.bias->value, 0.5);
    fill_randomly(fc1.weight->value, 0.1);
    fill_randomly(fc1.bias->value, 1);
    const float* weight = floats(fc1.weight->value);
    for (int64_t i = 0; i < kOut * kIn; ++i) floats(b)[i % kIn * kOut + i / kIn] = weight[i];
    best_rungs().pack(floats(packed), floats(b), kOut, kIn);
    fused(nullptr);  // packs the weight
  }

  void fused(float* out) const {
    gmlp::fused::kernels().norm_fc1_gelu(
        out, floats(x),
        {.norm = {floats(norm.weight->value), floats(norm.bias->value)},
         .fc1 = {floats(fc1.weight->value), floats(fc1.bias->value)}},
        workspace.raw(), shape);
  }

  void plain_norm() const {
    const float *gamma = floats(norm.weight->value), *beta = floats(norm.bias->value);
    for (int64_t r = 0; r < kRows; ++r) {
      const float* in = floats(x) + r * kIn;
      float mean = 0, variance = 0;
      for (int64_t c = 0; c < kIn; ++c) mean += in[c] / kIn;
      for (int64_t c = 0; c < kIn; ++c) variance += (in[c] - mean) * (in[c] - mean) / kIn;
      const float rstd = 1 / std::sqrt(variance + kEps);
      float* out = floats(x_hat) + r * kIn;
      for (int64_t c = 0; c < kIn; ++c) out[c] = (in[c] - mean) * rstd * gamma[c] + beta[c];
    }
  }
  void vector_norm() const {
    gmlp::fused::kernels().layernorm_forward(
        floats(x_hat), floats(statistics), floats(statistics) + kRows, floats(x),
        floats(norm.weight->value), floats(norm.bias->value), {kRows, kIn, kEps});
  }

  /// x Φ(x), where Φ(x) = erfc(-x / √2) / 2.
  void plain_gelu() const {
    float* out = floats(z);
    for (int64_t i = 0; i < z.elements(); ++i) out[i] *= std::erfc(out[i] * -0.70710678F) / 2;
  }
  void vector_gelu() const {
    gmlp::fused::kernels().gelu_forward(floats(z), floats(z), z.elements(),
                                        gmlp::fused::Precision::kF32);
  }

  /// Returns the seconds of the product alone; 0 if it is fused.
  double run(const Rung& rung) const {
    if (rung.product == nullptr) {
      fused(floats(padded_z));
      return 0;
    }
    rung.vector_passes ? vector_norm() : plain_norm();
    const double start = now_seconds();
    rung.product(floats(z), floats(x_hat), floats(rung.packed ? packed : b), kRows, kOut, kIn);
    const double seconds = now_seconds() - start;
    const ladder::Rungs& passes = rung.vector_passes ? best_rungs() : ladder::baseline::kRungs;
    passes.add_bias(floats(z), floats(fc1.bias->value), kRows, kOut);
    rung.vector_passes ? vector_gelu() : plain_gelu();
    return seconds;
  }
};

// ---- 3. The check: a fast wrong product is easy ----

/// Throws RunError unless the rung's result is the reference's but for rounding.
void check(const Stage& stage, const Rung& rung) {
  gmlp::Arena arena;
  gmlp::Tape tape(arena, gmlp::Backend::kReference, false);
  const gmlp::Var x_hat = stage.norm(tape, tape.constant(stage.x));
  const Tensor expected = tape.value(gmlp::gelu(tape, stage.fc1(tape, x_hat)));
  const Tensor& found = rung.product == nullptr ? stage.padded_z : stage.z;
  stage.z.fill(0);
  stage.run(rung);
  double largest = 0, difference = 0;
  for (int64_t i = 0; i < expected.elements(); ++i) {
    const double here = found.at(i / kOut * found.shape().cols() + i % kOut);
    largest = std::fmax(largest, std::fabs(expected.at(i)));
    // Not fmax, which would drop a NaN.
    const double apart = std::fabs(here - expected.at(i));
    if (!(apart <= difference)) difference = apart;
  }
  if (difference <= 1e-4 * largest) return;
  gmlp::fail_run("{} differs from the reference by {:.3g}; the largest number is {:.3g}", rung.name,
                 difference, largest);
}

// ---- 4. The measurement ----

/// GFLOP/s of a loop that does nothing but multiply-adds on registers.
double peak_gflops() {
  double best = 0;
  for (int i = 0; i < 10; ++i) {  // some 50 ms
    const double start = now_seconds();
    const double flops = gmlp::fused::kernels().fma_burst(1 << 20);
    best = std::max(best, 1e-9 * flops / (now_seconds() - start));
  }
  return best;
}

struct Times {
  std::vector<double> product, all;  // in milliseconds
  double peak = 0;                   // the mean of a probe before and a probe after
  bool peak_moved = false;           // by more than 5 %: another program runs
};

Times measure(const Stage& stage, const Rung& rung, int64_t repeat) {
  Times times;
  for (int attempt = 0; attempt == 0 || (attempt < 3 && times.peak_moved); ++attempt) {
    const double before = peak_gflops();
    times = {};
    for (int64_t i = 0; i < repeat; ++i) {
      const double start = now_seconds();
      times.product.push_back(1e3 * stage.run(rung));
      times.all.push_back(1e3 * (now_seconds() - start));
    }
    const double after = peak_gflops();
    times.peak = (before + after) / 2;
    times.peak_moved = std::abs(after - before) > 0.05 * std::max(before, after);
  }
  return times;
}

struct Spread {
  double median, low, high;
};
Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}
void to_json(Json& json, const Spread& spread) {
  json = {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

/// Prints the rung's line and returns the same numbers.
Json report(const Rung& rung, size_t number, const Times& times) {
  constexpr double kWork = 1e-6 * kFlops;  // by milliseconds: GFLOP/s
  const Spread ms = spread_of(times.all), product_ms = spread_of(times.product);
  const Spread rate{kWork / ms.median, kWork / ms.high, kWork / ms.low};
  const double share = 100 * rate.median / times.peak;
  Json row = {{"rung", number},
              {"name", rung.name},
              {"ms", ms},
              {"rate", rate},
              {"unit", "GFLOP/s"},
              {"peak", times.peak},
              {"share_of_peak_percent", share},
              {"peak_moved", times.peak_moved}};
  std::string product;
  if (rung.product != nullptr) {
    const double product_share = 100 * kWork / product_ms.median / times.peak;
    row["product_ms"] = product_ms;
    row["product_share_of_peak_percent"] = product_share;
    product = fmt::format("{:.2f}{:7.1f} %", product_ms.median, product_share);
  }
  fmt::print("{:>2}  {:<32}{:>19}  {:>9.2f}{:>12.2f}{:>7.1f} %{}\n", number, rung.name, product,
             ms.median, rate.median, share,
             times.peak_moved ? "  (the peak moved: run again)" : "");
  return row;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

void climb(const std::string& path, int64_t repeat) {
  std::ofstream file;
  if (!path.empty()) file.open(path);
  if (!file) gmlp::fail_input("{} cannot be written; name a file in an existing folder", path);
  gmlp::set_thread_count(1);
  const Stage stage;
  const std::string cpu = cpu_name();
  fmt::print(
      "{}, {} kernels, 1 thread\n"
      "z = gelu(layernorm(x) Wᵀ + b), x ({},{}), W ({},{}), z ({},{}), f32; register tile {} x {}; "
      "median of {}\n\n    {:<32}{:>10}{:>9}  {:>9}{:>12}{:>9}\n",
      cpu, gmlp::isa_name(), kRows, kIn, kOut, kIn, kRows, kOut, best_rungs().tile_rows,
      best_rungs().tile_columns, repeat, "rung", "product ms", "of peak", "all ms", "GFLOP/s",
      "of peak");
  Json rows = Json::array();
  for (const Rung& rung : all_rungs()) {
    check(stage, rung);
    rows.push_back(report(rung, rows.size() + 1, measure(stage, rung, repeat)));
  }
  if (path.empty()) return;
  file << Json{{"rows", rows},
               {"machine", {{"cpu", cpu}, {"isa", gmlp::isa_name()}, {"threads", 1}}}}
              .dump(2)
       << '\n';
  if (!file.flush()) gmlp::fail_run("{} could not be written; is the disk full?", path);
  fmt::print("written: {}\n", path);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 1 && argv[1][0] == '-') {
    fmt::print("Usage: ladder [FILE.json [REPETITIONS]]\n");
    return std::string(argv[1]) == "--help" ? 0 : 2;
  }
  climb(argc > 1 ? argv[1] : "", argc > 2 ? std::max(1, std::atoi(argv[2])) : 5);
} catch (const std::exception& error) {
  fmt::print(stderr, "ladder: {}\n", error.what());
  return 1;
}
