#pragma once
// Tape: define by run. Each op computes its output at once and records a node: a name, the output,
// and the closure of its backward, which holds the inputs. backward() walks the nodes from last to
// first.
//
// Gradients of activations are written, and summed if a value was used twice. Gradients of
// parameters are accumulated in Parameter::grad until zero_gradients(). So nothing has to be
// cleared per step.
//
// On an arena that only counts, a tape is a dry run: it records and allocates, but calls no kernel.

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/arena.h"
#include "core/error.h"
#include "core/tensor.h"
#include "kernels/kernels.h"

namespace gmlp {

/// Which kernels the ops call: the readable definition, or the hand-written fast path.
enum class Backend : uint8_t { kReference, kFused };

/// How a tape computes, and what its blocks save.
struct ExecutionOptions {
  Backend backend = Backend::kFused;
  fused::Precision precision = fused::Precision::kF32;  // of the blocks
  bool checkpoint = false;  // blocks save their input alone; the backward runs the forward again

  ExecutionOptions() = default;
  ExecutionOptions(Backend chosen) : backend(chosen) {}  // NOLINT: a backend alone is enough
};

/// The meaning of --precision and --kernels together. Throws InputError for an unknown name and for
/// bf16 on the reference kernels.
struct Arithmetic {
  DType dtype = DType::kF32;  // of the weights
  ExecutionOptions execution;
};
Arithmetic arithmetic_from(const std::string& precision, const std::string& kernels);

/// Calls body.operator()<float>() or <double>(). There is no arithmetic in bf16, only storage.
template <typename Body>
void dispatch_dtype(DType dtype, const Body& body) {
  require(dtype != DType::kBf16, "arithmetic on a bf16 tensor");
  if (dtype == DType::kF32) {
    body.template operator()<float>();
  } else {
    body.template operator()<double>();
  }
}

/// The elements for a kernel, nullptr for an undefined tensor.
template <typename T>
T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

/// A weight of a model. `decay`: AdamW's weight decay applies (tensors of two or more dimensions).
struct Parameter {
  std::string name;
  Tensor value;
  Tensor grad;  // as value; accumulates
  bool decay = false;
};

/// Those of a parameter that may be absent; undefined then.
inline Tensor value_of(const Parameter* parameter) {
  return parameter == nullptr ? Tensor() : parameter->value;
}
inline Tensor grad_of(const Parameter* parameter) {
  return parameter == nullptr ? Tensor() : parameter->grad;
}

/// A value on a tape.
struct Var {
  int64_t index = -1;
  bool defined() const { return index >= 0; }
};

class Tape {
 public:
  /// The backward of a node: given the gradient dy of its output, it calls accumulate_grad() for
  /// each input and adds to the gradients of its parameters.
  using Backward = std::function<void(const Tensor& dy)>;

  /// Activations come from `arena`, which must outlive the tape. Without `recording` only values
  /// are computed, for evaluation.
  Tape(Arena& arena, const ExecutionOptions& execution, bool recording)
      : arena_(arena), execution_(execution), recording_(recording) {}

  Arena& arena() { return arena_; }
  const ExecutionOptions& execution() const { return execution_; }
  bool recording() const { return recording_; }
  /// Fused kernels take f32 tensors only; bf16 exists inside them.
  bool use_fused(DType dtype) const {
    return dtype == DType::kF32 && execution_.backend == Backend::kFused;
  }

  /// A leaf without a gradient, such as a batch of images.
  Var constant(const Tensor& value) { return push("constant", value, nullptr, false); }
  /// A leaf with a gradient, for tests.
  Var leaf(const Tensor& value) { return push("leaf", value, nullptr, recording_); }

  /// Records an op. `name` must be in the registry of tests/autograd, which checks its gradient.
  Var record(const char* name, const Tensor& output, Backward backward);
  /// Records an op of one input: allocates y (`shape`) and runs forward(y, x). Its backward
  /// allocates dx and runs backward(dx, dy, x). All are pointers to the elements.
  template <typename Forward, typename BackwardOfT>
  Var record_unary(const char* name, Var x, const Shape& shape, const Forward& forward,
                   const BackwardOfT& backward) {
    const Tensor in = value(x);
    const Tensor y = scratch(in.dtype(), shape);
    run(in.dtype(), forward, y, in);
    return record(name, y, [=, this](const Tensor& dy) {
      const Tensor dx = scratch_like(in);
      run(in.dtype(), backward, dx, dy, in);
      accumulate_grad(x, dx, true);
    });
  }

  /// Valid as long as the tape; its elements, until the arena is reset.
  const Tensor& value(Var x) const { return node(x).output; }
  /// Memory for an output or a gradient: not zeroed, valid until the arena is rewound.
  Tensor scratch(DType dtype, const Shape& shape) { return arena_.allocate(dtype, shape); }
  Tensor scratch_like(const Tensor& x) { return scratch(x.dtype(), x.shape()); }

  /// Runs kernels: body(), or body(pointers...) with the elements of `tensors`, whose dtype is
  /// `dtype`; nullptr for an undefined one. A dry run skips them.
  template <typename Body>
  void run(const Body& body) const {
    if (!arena_.is_counting()) body();
  }
  template <typename Body, typename... Tensors>
  void run(DType dtype, const Body& body, const Tensors&... tensors) const {
    if (arena_.is_counting()) return;
    dispatch_dtype(dtype, [&]<typename T>() { body(data_or_null<T>(tensors)...); });
  }
  /// Runs body(workspace) with `bytes` of memory that are released afterwards.
  template <typename Body>
  void run_with_workspace(int64_t bytes, const Body& body) {
    const ArenaScope scope(arena_);
    void* workspace = arena_.allocate_bytes(bytes);
    if (!arena_.is_counting()) body(workspace);
  }

  /// Runs an op's kernel on the elements of `tensors`: on the fused backend
  /// kernel(pointers..., workspace, shape), else reference(pointers...).
  template <typename OpShape, typename Kernel, typename Reference, typename... Tensors>
  void run_kernel(DType dtype, const OpShape& shape,
                  int64_t (*fused::Kernels::*workspace_bytes)(const OpShape&),
                  Kernel fused::Kernels::*kernel, const Reference& reference,
                  const Tensors&... tensors) {
    if (!use_fused(dtype)) return run(dtype, reference, tensors...);
    const fused::Kernels& kernels = fused::kernels();
    run_with_workspace((kernels.*workspace_bytes)(shape), [&](void* workspace) {
      if constexpr (requires { (kernels.*kernel)(data_or_null<float>(tensors)..., shape); }) {
        (kernels.*kernel)(data_or_null<float>(tensors)..., shape);  // it needs no workspace
      } else {
        (kernels.*kernel)(data_or_null<float>(tensors)..., workspace, shape);
      }
    });
  }

  /// Ops count the FLOPs of their matrix products in the forward.
  void count_flops(double flops) { flops_ += flops; }
  double flops() const { return flops_; }

  bool requires_grad(Var x) const { return node(x).requires_grad; }
  /// For closures: dx is (part of) the gradient of x. The tape keeps dx, which must not change.
  /// `exclusive`: nobody else holds dx, so a later closure may overwrite it (try_take_grad).
  void accumulate_grad(Var x, const Tensor& dx, bool exclusive = false);
  /// Lets a closure compute dx in dy's memory; then grad() of its output is undefined. Returns
  /// false if dy is shared.
  bool try_take_grad();

  /// The nodes from here on are a further block of the model.
  void begin_block() { blocks_.push_back(std::ssize(nodes_)); }
  /// Runs all closures; the gradient of `loss`, a scalar, is 1.
  void backward(Var loss);
  /// The same from any value, with its gradient dy.
  void backward(Var y, const Tensor& dy);
  std::function<void(int64_t)> after_block;  ///< gets the block whose closures have run
  /// The gradient of x after backward(); undefined if x has none.
  const Tensor& grad(Var x) const { return node(x).gradient; }

  /// The names of all nodes, in order.
  std::vector<std::string> op_names() const;

 private:
  struct Node {
    const char* name;
    Tensor output;
    Tensor gradient;
    Backward backward;
    bool requires_grad;
    bool exclusive = false;  // no other node shares the gradient's memory
  };
  const Node& node(Var x) const {
    require(0 <= x.index && x.index < std::ssize(nodes_), "a Var that is not of this tape");
    return nodes_[static_cast<size_t>(x.index)];
  }
  Var push(const char* name, const Tensor& output, Backward backward, bool requires_grad);

  Arena& arena_;
  ExecutionOptions execution_;
  bool recording_;
  double flops_ = 0;
  int64_t current_ = -1;         // the node whose closure runs
  std::deque<Node> nodes_;       // whose addresses stay, so that value() does
  std::vector<int64_t> blocks_;  // the first node of each
};

inline int64_t count_parameters(const std::vector<Parameter*>& parameters) {
  int64_t count = 0;
  for (const Parameter* parameter : parameters) count += parameter->value.elements();
  return count;
}
/// By a dry run: FLOPs of the matrix products of forward(tape), which the reference backend counts.
template <typename Forward>
double measure_flops(const Forward& forward) {
  Arena arena(Storage::kMeta);
  Tape tape(arena, Backend::kReference, false);
  forward(tape);
  return tape.flops();
}
/// By a dry run: the peak of arena memory, in bytes, of a training step of loss(tape), a scalar.
template <typename Loss>
int64_t measure_memory(const ExecutionOptions& execution, const Loss& loss) {
  Arena arena(Storage::kMeta);
  Tape tape(arena, execution, true);
  tape.backward(loss(tape));
  return arena.peak_bytes();
}

}  // namespace gmlp
