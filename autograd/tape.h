#pragma once
// Tape: define by run. Each op computes its output at once and records a node: its name, its output
// and the closure that will undo it, which keeps hold of the inputs. backward() walks the nodes
// from last to first.
//
// Gradients of activations are written (and summed when a value was used twice), gradients of
// parameters are accumulated into Parameter::grad until somebody zeroes them. So nothing has to be
// cleared.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "autograd/execution_options.h"
#include "core/arena.h"
#include "core/tensor.h"

namespace gmlp {

/// A weight of a model. `decay`: AdamW's weight decay applies (tensors of two or more dimensions).
struct Parameter {
  std::string name;
  Tensor value;
  Tensor grad;  // as value; accumulates
  bool decay = false;
};

/// A value on a tape.
struct Var {
  int64_t index = -1;
  bool defined() const { return index >= 0; }
};

class Tape {
 public:
  /// Undoes a node: given the gradient of its output, calls accumulate_grad() for each of its
  /// inputs and adds to the gradients of its parameters.
  using Backward = std::function<void(const Tensor& dy)>;

  /// Activations come from `arena`, which must outlive the tape. Without `recording` only values
  /// are computed: for evaluation.
  Tape(Arena& arena, const ExecutionOptions& execution, bool recording);

  Arena& arena() { return arena_; }
  Backend backend() const { return execution_.backend; }
  const ExecutionOptions& execution() const { return execution_; }
  bool recording() const { return recording_; }

  /// A leaf that gets no gradient, such as a batch of images.
  Var constant(const Tensor& value);
  /// A leaf whose gradient is wanted afterwards: grad(). Used by tests.
  Var leaf(const Tensor& value);

  /// Records an op. `name` must be in the registry of tests/autograd, which checks its gradient.
  Var record(const char* name, const Tensor& output, Backward backward);

  const Tensor& value(Var x) const { return nodes_[static_cast<size_t>(x.index)].output; }
  /// Memory for an output or a gradient: not zeroed, valid as long as the arena is not rewound.
  Tensor scratch(DType dtype, const Shape& shape) { return arena_.allocate(dtype, shape); }

  /// Whether dx is worth computing.
  bool wants_gradient(Var x) const { return nodes_[static_cast<size_t>(x.index)].wants_gradient; }
  /// Called by closures: dx is (a part of) the gradient of x. The tape keeps dx, it must not
  /// change; `sole`: it was given to nobody else.
  void accumulate_grad(Var x, const Tensor& dx, bool sole = false);
  /// Called by closures: whether dy's memory is theirs from now on, as nobody else reads it. Where
  /// it is, grad() of that value is no longer defined.
  bool try_take_grad();

  /// Runs all closures; the gradient of `loss`, a scalar, is 1.
  void backward(Var loss);
  /// The same from any value, with its gradient dy.
  void backward(Var y, const Tensor& dy);
  /// The gradient of x after backward(); undefined when nothing was given.
  const Tensor& grad(Var x) const { return nodes_[static_cast<size_t>(x.index)].gradient; }

  /// The names of all nodes, in order.
  std::vector<std::string> op_names() const;

 private:
  struct Node {
    const char* name;
    Tensor output;
    Tensor gradient;
    Backward backward;
    bool wants_gradient;
    bool sole = false;  // the gradient's memory is this node's alone
  };
  Arena& arena_;
  ExecutionOptions execution_;
  bool recording_;
  int64_t undoing_ = -1;  // the node whose closure runs
  std::vector<Node> nodes_;
};

}  // namespace gmlp
