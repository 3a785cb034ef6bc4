#pragma once
// What a model costs, measured by dry runs: the tape records a forward, or a whole training step,
// of a model without memory on an arena that only counts. See Storage::kMeta.

#include <cstdint>
#include <vector>

#include "autograd/tape.h"

namespace gmlp {

inline int64_t count_parameters(const std::vector<Parameter*>& parameters) {
  int64_t count = 0;
  for (const Parameter* parameter : parameters) count += parameter->value.elements();
  return count;
}

/// FLOPs of the matrix products of forward(tape). The ops of the reference backend count them.
template <typename Forward>
double measure_flops(const Forward& forward) {
  Arena arena(Storage::kMeta);
  Tape tape(arena, Backend::kReference, false);
  forward(tape);
  return tape.flops();
}

/// The peak of arena memory, in bytes, of a training step: the backward of loss(tape), a scalar.
template <typename Loss>
int64_t measure_memory(const ExecutionOptions& execution, const Loss& loss) {
  Arena arena(Storage::kMeta);
  Tape tape(arena, execution, true);
  tape.backward(loss(tape));
  return arena.peak_bytes();
}

}  // namespace gmlp
