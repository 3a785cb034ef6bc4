#include "autograd/tape.h"

#include <utility>

#include "autograd/dispatch_dtype.h"
#include "core/error.h"
#include "core/profile.h"

namespace gmlp {

Tape::Tape(Arena& arena, const ExecutionOptions& execution, bool recording)
    : arena_(arena), execution_(execution), recording_(recording) {}

Var Tape::constant(const Tensor& value) {
  nodes_.push_back({"constant", value, Tensor(), nullptr, false});
  return {static_cast<int64_t>(nodes_.size()) - 1};
}

Var Tape::leaf(const Tensor& value) {
  nodes_.push_back({"leaf", value, Tensor(), nullptr, recording_});
  return {static_cast<int64_t>(nodes_.size()) - 1};
}

Var Tape::record(const char* name, const Tensor& output, Backward backward) {
  profile_mark("forward", name);  // an op computes its output, then records itself
  nodes_.push_back(
      {name, output, Tensor(), recording_ ? std::move(backward) : nullptr, recording_});
  return {static_cast<int64_t>(nodes_.size()) - 1};
}

void Tape::accumulate_grad(Var x, const Tensor& dx, bool sole) {
  Node& node = nodes_[static_cast<size_t>(x.index)];
  if (!node.wants_gradient) return;
  require(dx.shape() == node.output.shape(), "a gradient of another shape than its value");
  if (!node.gradient.defined()) {
    node.gradient = dx;
    node.sole = sole;
    return;
  }
  // A second use of x. The sum gets memory of its own: an op may have given one tensor to two
  // inputs.
  const Tensor sum = scratch(dx.dtype(), dx.shape());
  dispatch_dtype(dx.dtype(), [&]<typename T>() {
    reference::add_forward(sum.data<T>(), node.gradient.data<T>(), dx.data<T>(), dx.elements());
  });
  node.gradient = sum;
  node.sole = true;
}

bool Tape::try_take_grad() {
  Node& node = nodes_[static_cast<size_t>(undoing_)];
  if (node.sole) node.gradient = Tensor();
  return node.sole;
}

void Tape::backward(Var loss) {
  const Tensor one = scratch(value(loss).dtype(), value(loss).shape());
  require(one.elements() == 1, "backward from something that is not a scalar");
  one.fill(1.0);
  backward(loss, one);
}

void Tape::backward(Var y, const Tensor& dy) {
  require(recording_, "backward on a tape that does not record");
  accumulate_grad(y, dy);
  for (int64_t i = y.index; i >= 0; --i) {
    const Node& node = nodes_[static_cast<size_t>(i)];
    if (!node.backward || !node.gradient.defined()) continue;
    undoing_ = i;
    const Tensor gradient = node.gradient;  // a copy, as the closure may take the node's
    node.backward(gradient);
    profile_mark("backward", node.name);
  }
}

std::vector<std::string> Tape::op_names() const {
  std::vector<std::string> names;
  for (const Node& node : nodes_) names.emplace_back(node.name);
  return names;
}

}  // namespace gmlp
