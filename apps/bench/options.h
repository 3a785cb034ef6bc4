#pragma once
// What the verbs of gmlp-bench take; main.cpp fills it.

#include <cstdint>
#include <string>

namespace gmlp {

struct BenchOptions {
  // every verb
  int threads = 0;  // 0: all
  std::string isa;  // empty: the best
  int repeat = 0;   // 0: the verb's own number
  int repeat_or(int own) const { return repeat > 0 ? repeat : own; }
  std::string json;  // a file for the rows; empty: none

  // step, infer, decode
  std::string model = "gmlp_s16_224";
  int64_t batch_size = 8;
  int64_t depth = 0;       // 0: the model's
  int64_t vocab_size = 0;  // 0: the model's
  int64_t seq_len = 512;   // decode
  std::string precision = "f32";
  std::string kernels = "fused";
  std::string init;         // safetensors with the weights to start from
  std::string input_array;  // npy with the batch
  bool profile = false;
  bool checkpoint_activations = false;

  // kernels
  std::string only;  // run cases whose title contains this
  std::string svg;
};

void run_step(const BenchOptions& options);
void run_infer(const BenchOptions& options);
void run_decode(const BenchOptions& options);
void run_peak(const BenchOptions& options);
void run_ladder(const BenchOptions& options);
void run_kernels(const BenchOptions& options);

}  // namespace gmlp
