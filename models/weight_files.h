#pragma once
// Weights from a safetensors file into a model's parameters, by name.

#include <string>
#include <vector>

#include "autograd/tape.h"
#include "core/io/safetensors.h"

namespace gmlp {

/// What is wanted of a file, and what to say where it does not fit.
struct WeightRules {
  std::string model;           // whose weights they should be
  std::string tokens_remedy;   // where the spatial weights have another number of tokens
  bool other_head = false;     // a head.* of another shape stays the model's own
  bool new_head = false;       // as other_head, and the file may have another head or none
  bool longer_window = false;  // the file's Toeplitz gates may be of more tokens; see load_weights
};

/// Copies every tensor of `file` into the parameters of its name; names and shapes must be the
/// model's own, but for what `rules` allow. Returns lines for the log. Throws InputError listing
/// what is missing or left over. A Toeplitz gate of M tokens serves a window of N < M: the
/// distances -(N - 1) to N - 1 are the middle of its 2 M - 1 weights, and its first N biases are
/// those of the first N tokens.
std::vector<std::string> load_weights(const std::vector<Parameter*>& parameters,
                                      const SafetensorsFile& file, const WeightRules& rules);

/// Throws InputError where `path`, the config.json beside `file`, describes a model that is out of
/// all proportion to the file: before a model of that size is made. Reading a folder takes 64 MB
/// and twice the file at most; what is wrong within that, load_weights says more exactly.
void require_in_proportion(int64_t parameters, const SafetensorsFile& file,
                           const std::string& path);

/// What a model stored in `file` is to be built in: f64 where a tensor is, else f32.
DType stored_dtype(const SafetensorsFile& file);

/// Throws InputError where bf16 cannot be: it takes numbers in pairs, so both widths must be even.
void require_bf16_fits(int64_t d_model, int64_t gate_width);

/// How a stored model is to compute: an f64 one on the reference kernels whatever `kernels` says.
ExecutionOptions stored_model_execution(DType dtype, int64_t d_model, int64_t gate_width,
                                        const std::string& precision, const std::string& kernels);

}  // namespace gmlp
