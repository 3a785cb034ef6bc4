#pragma once
// What `step` and `infer` run: a named model with its batch.

#include <functional>
#include <string>
#include <vector>

#include "apps/bench/options.h"
#include "autograd/tape.h"

namespace gmlp {

/// The functions share the model and the batch, which is the same for every call, so that the loss
/// must fall.
struct Workload {
  std::string name;
  std::vector<Parameter*> parameters;
  double inference_flops;  // 2 x the multiply-adds of the GEMMs of logits()
  double step_flops;       // 3 x those of loss()
  std::function<Var(Tape& tape)> logits;
  std::function<Var(Tape& tape)> loss;
  std::function<void()> prepack_weights;
};

/// Throws InputError with all names for an unknown model, and for options that it does not have.
Workload make_workload(const BenchOptions& options);

/// --kernels, --precision and --checkpoint-activations.
ExecutionOptions execution_of(const BenchOptions& options);

}  // namespace gmlp
