#pragma once
// The options of gmlp-bench, which main.cpp fills, and its subcommands.

#include <cstdint>
#include <string>

namespace gmlp {

struct BenchOptions {
  // all subcommands
  int threads = 0;   // 0: all
  std::string isa;   // empty: the best
  int repeat = 0;    // 0: the subcommand's default
  std::string json;  // output file for the rows, or empty
  int repeat_or(int fallback) const { return repeat > 0 ? repeat : fallback; }

  // step, infer
  std::string model = "gmlp_s16_224";
  int64_t batch_size = 8;
  int64_t depth = 0;       // 0: the model's
  int64_t vocab_size = 0;  // 0: the model's
  std::string precision = "f32";
  std::string kernels = "fused";
  std::string init;         // safetensors file with the initial weights, or empty
  std::string input_array;  // npy file with the images, or empty
  bool profile = false;
  bool checkpoint_activations = false;

  std::string only;   // kernels: measure the cases whose title contains this
  std::string csv;    // kernels, ladder: output file for the chart's numbers, or empty
  std::string svg;    // kernels, ladder, chart: output file for the chart, or empty
  std::string chart;  // chart: the CSV file to draw
};

void run_kernels(const BenchOptions& options);
void run_step(const BenchOptions& options);
void run_infer(const BenchOptions& options);
void run_peak(const BenchOptions& options);
void run_ladder(const BenchOptions& options);
void run_chart(const BenchOptions& options);

}  // namespace gmlp
