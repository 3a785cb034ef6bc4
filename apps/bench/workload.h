#pragma once
// What `step` and `infer` run: a named model, a batch for it and its loss.

#include <memory>
#include <string>
#include <vector>

#include "apps/bench/options.h"
#include "autograd/tape.h"

namespace gmlp {

constexpr int kWarmup = 2;  // the arena grows in the first pass and is merged in the second

class Workload {
 public:
  virtual ~Workload() = default;

  virtual std::string name() const = 0;
  /// 2 x the multiply-adds of the GEMMs of logits() and of a whole training step: 3 x those of
  /// loss().
  virtual double inference_flops() const = 0;
  virtual double step_flops() const = 0;
  virtual Var logits(Tape& tape) = 0;
  virtual Var loss(Tape& tape) = 0;
  /// The weights will not change any more.
  virtual void prepack_weights() = 0;
  virtual const std::vector<Parameter*>& parameters() const = 0;
};

/// The model and batch that the options name. Throws InputError with all names when there is no
/// such model, and for settings that the model does not have.
std::unique_ptr<Workload> make_workload(const BenchOptions& options);

/// --kernels, --precision and --checkpoint-activations: how the tape computes.
ExecutionOptions execution_of(const BenchOptions& options);

}  // namespace gmlp
