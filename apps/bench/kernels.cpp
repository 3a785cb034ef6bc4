// gmlp-bench kernels: every kernel at the models' shapes, as a share of the machine's peak and
// beside other libraries. Contenders alternate (A B C A B C ...), and ratios compare neighbors, so
// that other programs on the machine slow both sides.
//
// Sizes are those of gMLP-S/16 at batch 8 and gMLP-Ti/16 at batch 32. No library is favored:
// print_header() tells what each one computes. Layers run through the tape, as in training.

#include <algorithm>
#include <cmath>
#include <vector>

#include <unistd.h>

#include "apps/bench/measure.h"
#include "apps/bench/products.h"
#include "autograd/optimizer.h"
#include "core/error.h"
#include "core/parallel.h"
#include "kernels/reference/reference.h"
#include "models/gmlp_block.h"

namespace gmlp {

namespace {

constexpr struct ProductSize {
  int64_t m, n, k;
} kProducts[] = {{1568, 1536, 256},  // S/16, batch 8: D to F
                 {1568, 256, 768},   // S/16, batch 8: E to D
                 {196, 768, 196},    // S/16: W over tokens, one image
                 {6272, 768, 128},   // Ti/16, batch 32: D to F
                 {2048, 2048, 2048}};

// A block of each model whose speed is promised, at the batch of the promise.
constexpr struct BlockSize {
  const char* model;
  int64_t batch, tokens, d_model, d_ffn;
} kBlocks[] = {{"S/16 B8", 8, 196, 256, 1536},
               {"Ti/16 B16", 16, 196, 128, 768},
               {"micro B128", 128, 49, 128, 512},
               {"language B16", 16, 128, 512, 3072}};

constexpr struct LinearSize {
  const char* layer;
  int64_t rows, in, out;
} kLinears[] = {{"stem S/16 B8", 1568, 768, 256},
                {"head S/16 B8", 8, 256, 1000},
                {"vocabulary d512", 2048, 512, 1024}};

/// A piece of work, and those who do it.
struct Case {
  std::string kernel;  // "gemm"
  std::string size;    // "1568x1536x256"
  bool bf16;           // the peak to compare with
  double work;         // FLOPs of one run, or bytes
  bool counts_bytes = false;
  std::vector<Contender> contenders = {};  // ours first

  const char* precision() const { return bf16 ? "bf16" : "f32"; }
  std::string title() const { return fmt::format("{} {} {}", kernel, size, precision()); }
};
using Visit = std::function<void(const Case&)>;

/// Rows of mean 0 and variance 1. A norm keeps them, so that contenders without one can be
/// compared.
Tensor normalized_rows(const Tensor& x) {
  const int64_t rows = x.shape().rows(), cols = x.shape().cols();
  Tensor y = zeros(x.shape());
  const Tensor stats = zeros({2, rows}), gamma = zeros({cols});
  gamma.fill(1);
  reference::layernorm_forward(floats(y), floats(stats), floats(stats) + rows, floats(x),
                               floats(gamma), floats(zeros({cols})), rows, cols, 0.0);
  return y;
}

void visit_product(const Visit& visit, const ProductSize& size, bool bf16, bool gelu) {
  const auto [m, n, k] = size;
  // A and C have variance 1, as between a norm and a nonlinearity.
  const Tensor a = random_numbers({m, k}, std::sqrt(3.0));
  const Tensor b = random_numbers({k, n}, std::sqrt(3.0 / static_cast<double>(k)));
  const Product product{
      m, n, k, bf16, gelu, gelu ? normalized_rows(a) : a, b, random_numbers({n}, 1.0)};
  Case c{.kernel = gelu ? "norm_fc1_gelu" : "gemm",
         .size = fmt::format("{}x{}x{}", m, n, k),
         .bf16 = bf16,
         .work = 2.0 * static_cast<double>(m * n * k)};
  for (const Library& library : libraries()) {
    Contender contender = library.prepare(product);
    contender.by = library.name;
    if (contender.run) c.contenders.push_back(contender);
  }
  visit(c);
}

/// A layer of x, which no library has. `bytes` are those of a layer without products.
void visit_layer(const Visit& visit, const std::string& layer_name, const char* size, bool bf16,
                 const Shape& x_shape, bool backward, double bytes,
                 const std::function<Var(Tape& tape, Var x)>& layer) {
  const Tensor x = random_numbers(x_shape, 1.7);
  const double flops = measure_flops([&](Tape& tape) { layer(tape, tape.constant(x)); });
  ExecutionOptions execution;
  execution.precision = precision_of(bf16);
  Arena arena;
  const auto run = [&] {
    arena.reset();
    Tape tape(arena, execution, backward);
    const Var y = layer(tape, tape.leaf(x));        // a leaf, so that dx is computed, too
    if (backward) tape.backward(y, tape.value(y));  // any numbers serve as dy
  };
  visit({.kernel = layer_name + (backward ? " forward + backward" : " forward"),
         .size = size,
         .bf16 = bf16,
         .work = bytes > 0 ? bytes : (backward ? 3 : 1) * flops,
         .counts_bytes = bytes > 0,
         .contenders = {{run}}});
}

void visit_block(const Visit& visit, const BlockSize& size, bool bf16, bool backward) {
  ParameterList weights(DType::kF32, 1);
  const GmlpBlock block(weights, "",
                        {.tokens = size.tokens, .d_model = size.d_model, .d_ffn = size.d_ffn});
  visit_layer(visit, "block", size.model, bf16, {size.batch, size.tokens, size.d_model}, backward,
              0, [&](Tape& tape, Var x) { return block.forward(tape, x, {}); });
}

void visit_linear(const Visit& visit, const LinearSize& size, bool backward) {
  ParameterList weights(DType::kF32, 1);
  const Linear linear(weights, "", {size.out, size.in});
  visit_layer(visit, "linear", size.layer, false, {size.rows, size.in}, backward, 0, linear);
}

/// Reads and writes the weight, both moments and the gradient, which it zeroes.
void visit_adamw(const Visit& visit) {
  constexpr int64_t kElements = 19'500'000;  // gMLP-S/16
  ParameterList weights(DType::kF32, 1);
  weights.add("weight", {kElements}, Init::kOnes);
  AdamW optimizer(weights.all(), AdamWOptions{});
  visit({.kernel = "adamw",
         .size = "S/16 19.5 M",
         .bf16 = false,
         .work = 8.0 * sizeof(float) * kElements,
         .counts_bytes = true,
         .contenders = {{[&] { optimizer.step(1e-3, 1.0); }}}});
}

/// Matrix products, alone and with norm, bias and GELU. Then the kernels that no library has. A
/// case's memory is freed before the next one's is allocated.
void for_each_case(const Visit& visit) {
  for (const bool bf16 : {false, true}) {
    for (const bool second : {false, true}) {  // with GELU, or with the backward
      for (const ProductSize& size : kProducts) {
        if (second && size.m == size.n) continue;  // the square is no layer
        visit_product(visit, size, bf16, second);
      }
      for (const BlockSize& size : kBlocks) visit_block(visit, size, bf16, second);
    }
  }
  for (const LinearSize& size : kLinears) {
    for (const bool backward : {false, true}) visit_linear(visit, size, backward);
  }
  visit_adamw(visit);
  constexpr int64_t kElements = 1568 * 1536;
  visit_layer(visit, "gelu", "1568x1536", false, {kElements}, true, 5.0 * sizeof(float) * kElements,
              gelu);
}

/// Seconds per call, averaged over about 20 ms. The pause lets the previous contender's threads
/// fall asleep, and the first call, which is not timed, fills the caches.
double seconds_per_call(const Contender& contender) {
  constexpr double kSampleSeconds = 0.02;
  usleep(2000);
  contender.run();
  const Stopwatch watch;
  int64_t calls = 0;
  for (; calls == 0 || watch.seconds() < kSampleSeconds; ++calls) contender.run();
  return watch.seconds() / static_cast<double>(calls);
}

void check_agreement(const Case& c) {
  const Contender& ours = c.contenders.front();
  for (const Contender& contender : c.contenders) {
    contender.run();
    require_agreement(fmt::format("{}: {} differs from {}", c.title(), contender.by, ours.by),
                      ours.result, contender.result, c.bf16 ? 3e-2 : 1e-4);
  }
}

/// Prints the line of contender `j` and returns its row. `seconds` are those of all.
Json report_contender(const Case& c, size_t j, const std::vector<std::vector<double>>& seconds,
                      const Peak& peak) {
  const bool first = j == 0;
  const char* unit = c.counts_bytes ? "GB/s" : "GFLOP/s";
  const std::string& by = c.contenders[j].by;
  Json row = {{"kernel", c.kernel},
              {"shape", c.size},
              {"precision", c.precision()},
              {"by", by},
              {"threads", thread_count()}};
  const Speed speed = add_speed(row, seconds[j], c.work, unit, peak);
  std::string note = first && peak.moved ? "(the peak moved: run again)" : "";
  if (!first) {
    std::vector<double> ratios = seconds[j];
    for (size_t i = 0; i < ratios.size(); ++i) ratios[i] /= seconds[0][i];
    const Spread ratio = spread_of(ratios);
    note = fmt::format("{:.2f}x as fast ({:.2f} to {:.2f})", ratio.median, ratio.low, ratio.high);
    row["gmlp_speed_ratio"] = ratio;
  }
  fmt::print("{:<26}{:<20}{:<6}{:<10}{:>9.3f}  {:>14}  {:>6.1f} %   {}\n", first ? c.kernel : "",
             first ? c.size : "", first ? c.precision() : "", by, speed.ms,
             fmt::format("{:.1f} {}", speed.rate, unit), speed.share_percent, note);
  return row;
}

void print_header(int64_t repeat) {
  fmt::print("{}\n", machine_line());
  for (const Library& library : libraries()) fmt::print("{} {}\n", library.name, library.detail);
  fmt::print(
      "median of {} samples; each ratio compares neighboring samples (least to most)\n"
      "gemm: gmlp packs A and B inside the timing; oneDNN has B in its own layout\n"
      "norm_fc1_gelu: gmlp also computes the norm; the others compute product + bias + GELU\n"
      "bf16: the others get A and B already rounded\n\n"
      "{:<26}{:<20}{:<6}{:<10}{:>9}  {:>14}  {:>8}   {}\n",
      repeat, "kernel", "size", "", "by", "ms", "speed", "of peak", "gmlp is");
}

}  // namespace

Json run_kernels(const BenchOptions& options) {
  print_header(options.repeat);
  Json rows = Json::array();
  for_each_case([&](const Case& c) {
    if (c.title().find(options.only) == std::string::npos) return;
    check_agreement(c);
    std::vector<std::vector<double>> seconds;  // per call, of each contender
    const auto probe = [&] {
      return c.counts_bytes ? triad_gigabytes() : peak_gflops(c.precision(), kPeakSeconds);
    };
    const Peak peak = with_steady_peak(probe, [&] {
      seconds.assign(c.contenders.size(), {});
      for (int64_t i = 0; i < options.repeat; ++i) {
        for (size_t j = 0; j < seconds.size(); ++j) {
          seconds[j].push_back(seconds_per_call(c.contenders[j]));
        }
      }
    });
    for (size_t j = 0; j < seconds.size(); ++j) {
      rows.push_back(report_contender(c, j, seconds, peak));
    }
  });
  refuse_if(rows.empty(), "--only {}: in no case's title; leave it out to see all", options.only);
  return rows;
}

}  // namespace gmlp
