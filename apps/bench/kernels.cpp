// gmlp-bench kernels: every kernel at the models' shapes, as a share of the machine's peak and
// beside other libraries. Contenders alternate (A B C A B C ...), and ratios compare neighbors, so
// that other programs on the machine slow both sides.
//
// Sizes are those of gMLP-S/16 at batch 8 and gMLP-Ti/16 at batch 32. No library is favored:
// the table's header tells what each one computes. Layers run through the tape, as in training.

#include <algorithm>
#include <cmath>
#include <vector>

#include <unistd.h>

#include "apps/bench/measure.h"
#include "apps/bench/products.h"
#include "autograd/optimizer.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "models/gmlp_block.h"

namespace gmlp {

namespace {

constexpr struct ProductSize {
  int64_t m, n, k;
  std::string text() const { return fmt::format("{}x{}x{}", m, n, k); }
} kProducts[] = {{1568, 1536, 256},  // S/16, batch 8: D to F
                 {1568, 256, 768},   // S/16, batch 8: E to D, and the stem
                 {196, 768, 196},    // S/16: W over tokens, one image
                 {6272, 768, 128},   // Ti/16, batch 32: D to F
                 {8, 1000, 256},     // S/16, batch 8: the head
                 {2048, 1024, 512},  // language: D to a small vocabulary
                 {2048, 2048, 2048}};

// A block of each model whose speed is promised, at the batch of the promise.
constexpr struct BlockSize {
  const char* model;
  int64_t batch, tokens, d_model, d_ffn;
} kBlocks[] = {{"S/16 B8", 8, 196, 256, 1536},
               {"Ti/16 B16", 16, 196, 128, 768},
               {"micro B128", 128, 49, 128, 512},
               {"language B16", 16, 128, 512, 3072}};

/// A piece of work, and those who do it.
struct Case {
  std::string kernel;                      // "gemm"
  std::string size;                        // "1568x1536x256"
  bool bf16 = false;                       // the peak to compare with
  double work = 0;                         // of one run
  const char* unit = "GFLOP/s";            // the work is FLOPs; "GB/s": bytes
  std::vector<Contender> contenders = {};  // ours first

  const char* precision() const { return bf16 ? "bf16" : "f32"; }
  std::string title() const { return fmt::format("{} {} {}", kernel, size, precision()); }
};
using Visit = std::function<void(const Case&)>;

/// Rows of mean 0 and variance 1 - 1/cols². A norm keeps them, so that contenders without one can
/// be compared. Each row has the same numbers, in an order of its own.
Tensor normalized_rows(int64_t rows, int64_t cols) {
  Tensor x = zeros({rows, cols});
  std::vector<int64_t> order(static_cast<size_t>(cols));
  for (int64_t i = 0; i < rows * cols; ++i) {
    const int64_t r = i / cols, c = i % cols;
    if (c == 0) shuffle_indices(order.data(), cols, 1, Purpose::kSample, static_cast<uint64_t>(r));
    const int64_t place = 2 * order[static_cast<size_t>(c)] + 1 - cols;  // around 0
    floats(x)[i] = std::sqrt(3.0F) * static_cast<float>(place) / static_cast<float>(cols);
  }
  return x;
}

void visit_product(const Visit& visit, const ProductSize& size, bool bf16, bool gelu) {
  const auto [m, n, k] = size;
  // A and C have variance 1, as between a norm and a nonlinearity.
  const Tensor weight = random_numbers({n, k}, std::sqrt(3.0 / static_cast<double>(k)));
  const Product product{
      m, n, k, bf16, gelu, normalized_rows(m, k), weight, random_numbers({n}, 1.0)};
  visit({.kernel = gelu ? "norm_fc1_gelu" : "gemm",
         .size = size.text(),
         .bf16 = bf16,
         .work = 2.0 * static_cast<double>(m * n * k),
         .contenders = contenders_of(product)});
}

/// A layer of x, which no library has. Its work is that of its products, unless `c` has its bytes.
void visit_layer(const Visit& visit, Case c, const Shape& x_shape, bool backward,
                 const std::function<Var(Tape& tape, Var x)>& layer) {
  const Tensor x = random_numbers(x_shape, 1.7);
  ExecutionOptions execution;
  execution.precision = precision_of(c.bf16);
  Arena arena;
  const auto run = [&] {
    arena.reset();
    Tape tape(arena, execution, backward);
    const Var y = layer(tape, tape.leaf(x));        // a leaf, so that dx is computed, too
    if (backward) tape.backward(y, tape.value(y));  // any numbers serve as dy
  };
  c.kernel += backward ? " forward + backward" : " forward";
  if (c.work == 0) {
    c.work = (backward ? 3 : 1) * measure_flops([&](Tape& tape) { layer(tape, tape.constant(x)); });
  }
  c.contenders = {{"gmlp", run}};
  visit(c);
}

void visit_block(const Visit& visit, const BlockSize& size, bool bf16, bool backward) {
  ParameterList weights(DType::kF32, 1);
  const GmlpBlock block(weights, "",
                        {.tokens = size.tokens, .d_model = size.d_model, .d_ffn = size.d_ffn});
  visit_layer(visit, {.kernel = "block", .size = size.model, .bf16 = bf16},
              {size.batch, size.tokens, size.d_model}, backward,
              [&](Tape& tape, Var x) { return block.forward(tape, x, {}); });
}

void visit_linear(const Visit& visit, const ProductSize& size) {
  ParameterList weights(DType::kF32, 1);
  const Linear linear(weights, "", {size.n, size.k});
  visit_layer(visit, {.kernel = "linear", .size = size.text()}, {size.m, size.k}, true, linear);
}

/// Reads and writes the weight, both moments and the gradient, which it zeroes.
void visit_adamw(const Visit& visit) {
  constexpr int64_t kElements = 19'500'000;  // gMLP-S/16
  ParameterList weights(DType::kF32, 1);
  weights.add("weight", {kElements}, Init::kOnes);
  AdamW optimizer(weights.all(), AdamWOptions{});
  visit({.kernel = "adamw",
         .size = "S/16 19.5 M",
         .work = 8.0 * sizeof(float) * kElements,
         .unit = "GB/s",
         .contenders = {{"gmlp", [&] { optimizer.step(1e-3, 1.0); }}}});
}

/// Matrix products, alone and with norm, bias and GELU. Then the kernels that no library has. A
/// case's memory is freed before the next one's is allocated.
void for_each_case(const Visit& visit) {
  for (const bool bf16 : {false, true}) {
    for (const ProductSize& size : kProducts) {
      visit_product(visit, size, bf16, false);
      if (size.m % kImageTokens == 0) visit_product(visit, size, bf16, true);
    }
    for (const BlockSize& size : kBlocks) {
      for (const bool backward : {false, true}) visit_block(visit, size, bf16, backward);
    }
  }
  for (const ProductSize& size : kProducts) visit_linear(visit, size);
  visit_adamw(visit);
  constexpr int64_t kElements = 1568 * 1536;
  const double bytes = 5.0 * sizeof(float) * kElements;  // x and y, and again with dx
  visit_layer(visit, {.kernel = "gelu", .size = "1568x1536", .work = bytes, .unit = "GB/s"},
              {kElements}, true, gelu);
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

/// Throws RunError unless all results are ours but for rounding. Times of a wrong result mean
/// nothing.
void require_agreement(const Case& c) {
  const Contender& ours = c.contenders.front();
  for (const Contender& contender : c.contenders) {
    contender.run();
    const Tensor &a = ours.result, &b = contender.result;
    const int64_t rows = a.shape().rows(), cols = std::min(a.shape().cols(), b.shape().cols());
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < rows * cols; ++i) {  // rows may be padded
      const double expected = a.at(i / cols * a.shape().cols() + i % cols);
      const double here = std::abs(expected - b.at(i / cols * b.shape().cols() + i % cols));
      largest = std::max(largest, std::abs(expected));
      // std::max would drop a NaN.
      difference = std::isnan(here) ? HUGE_VAL : std::max(difference, here);
    }
    if (difference <= (c.bf16 ? 3e-2 : 1e-4) * largest) continue;
    fail_run(
        "{}: {} differs from {} by {:.3g}; the largest number is {:.3g}. One of them is wrong, so "
        "their times mean nothing; fix it first",
        c.title(), contender.by, ours.by, difference, largest);
  }
}

/// The seconds of each contender, and the peak. Up to three times, until the peak stays the same.
std::vector<Values> measure_case(const Case& c, int64_t count) {
  const auto measure = [&] {
    std::vector<double> seconds;
    for (const Contender& contender : c.contenders) seconds.push_back(seconds_per_call(contender));
    return seconds;
  };
  const auto probe = [&] {
    return c.unit == std::string("GB/s") ? probe_gigabytes() : probe_gflops(c.precision());
  };
  std::vector<Values> results;
  for (int attempt = 0; attempt == 0 || (attempt < 3 && has_moved(results.back())); ++attempt) {
    results = repeat_beside_peak(count, measure, probe);
  }
  return results;
}

/// Prints the line of contender `j` and returns its row.
Json report_contender(const Case& c, size_t j, const std::vector<Values>& results) {
  const bool first = j == 0, peak_moved = has_moved(results.back());
  const std::string& by = c.contenders[j].by;
  const Values &seconds = results[j], &peaks = results.back();
  const Values rates = 1e-9 * c.work / seconds;
  const Spread ms = spread_of(1e3 * seconds), rate = spread_of(rates);
  const double share = median_of(100.0 * rates / peaks);
  Json row = {{"kernel", c.kernel},
              {"shape", c.size},
              {"precision", c.precision()},
              {"by", by},
              {"threads", thread_count()},
              {"ms", ms},
              {"rate", rate},
              {"unit", c.unit},
              {"peak", median_of(peaks)},
              {"share_of_peak_percent", share},
              {"peak_moved", peak_moved}};
  std::string note = first && peak_moved ? "(the peak moved: run again)" : "";
  if (!first) {
    const Spread ratio = spread_of(seconds / results[0]);
    note = fmt::format("{:.2f}x as fast ({:.2f} to {:.2f})", ratio.median, ratio.low, ratio.high);
    row["gmlp_speed_ratio"] = ratio;
  }
  fmt::print("{:<26}{:<20}{:<6}{:<10}{:>9.3f}  {:>14}  {:>6.1f} %   {}\n", first ? c.kernel : "",
             first ? c.size : "", first ? c.precision() : "", by, ms.median,
             fmt::format("{:.1f} {}", rate.median, c.unit), share, note);
  return row;
}

}  // namespace

Json run_kernels(const BenchOptions& options) {
  fmt::print(
      "{}\n{}"
      "median of {} samples; each ratio compares neighboring samples (least to most)\n"
      "gemm: gmlp packs A and B inside the timing; oneDNN has B in its own layout\n"
      "norm_fc1_gelu: gmlp also computes the norm; the others compute product + bias + GELU\n"
      "bf16: the others get A and B already rounded\n\n"
      "{:<26}{:<20}{:<6}{:<10}{:>9}  {:>14}  {:>8}   {}\n",
      machine_line(), describe_libraries(), options.repeat, "kernel", "size", "", "by", "ms",
      "speed", "of peak", "gmlp is");
  Json rows = Json::array();
  for_each_case([&](const Case& c) {
    if (c.title().find(options.only) == std::string::npos) return;
    require_agreement(c);
    const std::vector<Values> results = measure_case(c, options.repeat);
    for (size_t j = 0; j < c.contenders.size(); ++j) {
      rows.push_back(report_contender(c, j, results));
    }
  });
  refuse_if(rows.empty(), "--only {}: in no case's title; leave it out to see all", options.only);
  return rows;
}

}  // namespace gmlp
