#include "autograd/tape.h"

#include <utility>

#include "core/profile.h"
#include "kernels/reference/reference.h"

namespace gmlp {

Arithmetic arithmetic_from(const std::string& precision, const std::string& kernels) {
  const bool f64 = precision == "f64", bf16 = precision == "bf16";
  refuse_if(!f64 && !bf16 && precision != "f32", "--precision {}: unknown; choose f32, bf16 or f64",
            precision);
  refuse_if(bf16 && kernels != "fused",
            "--precision bf16: the reference kernels have none; use f32 with them");
  Arithmetic arithmetic{f64 ? DType::kF64 : DType::kF32, Backend::kFused};
  if (f64 || kernels != "fused") arithmetic.execution.backend = Backend::kReference;
  if (bf16) arithmetic.execution.precision = fused::Precision::kBf16;
  return arithmetic;
}

Var Tape::push(const char* name, const Tensor& output, Backward backward, bool requires_grad) {
  nodes_.push_back({name, output, Tensor(), std::move(backward), requires_grad});
  return {static_cast<int64_t>(nodes_.size()) - 1};
}

Var Tape::record(const char* name, const Tensor& output, Backward backward) {
  profile_mark(name, "forward");  // an op computes its output, then records itself
  return push(name, output, recording_ ? std::move(backward) : nullptr, recording_);
}

void Tape::accumulate_grad(Var x, const Tensor& dx, bool exclusive) {
  Node& node = nodes_[static_cast<size_t>(x.index)];
  if (!node.requires_grad) return;
  require(dx.shape() == node.output.shape(), "a gradient of another shape than its value");
  if (!node.gradient.defined()) {
    node.gradient = dx;
    node.exclusive = exclusive;
    return;
  }
  // A second use of x. The sum needs new memory, because an op may pass one tensor to two inputs.
  const Tensor sum = scratch_like(dx);
  const auto add = [&](auto*... p) { reference::add_forward(p..., sum.elements()); };
  run(dx.dtype(), add, sum, node.gradient, dx);
  node.gradient = sum;
  node.exclusive = true;
}

bool Tape::try_take_grad() {
  Node& node = nodes_[static_cast<size_t>(current_)];
  if (node.exclusive) node.gradient = Tensor();
  return node.exclusive;
}

void Tape::backward(Var loss) {
  const Tensor one = scratch_like(value(loss));
  require(one.elements() == 1, "backward from something that is not a scalar");
  run([&] { one.fill(1.0); });
  backward(loss, one);
}

void Tape::backward(Var y, const Tensor& dy) {
  require(recording_, "backward on a tape that does not record");
  accumulate_grad(y, dy);
  for (int64_t i = y.index; i >= 0; --i) {
    const Node& node = nodes_[static_cast<size_t>(i)];
    if (node.backward && node.gradient.defined()) {
      current_ = i;
      const Tensor gradient = node.gradient;  // a copy: the closure may clear the node's
      node.backward(gradient);
      profile_mark(node.name, "backward");
    }
    for (; after_block && !blocks_.empty() && blocks_.back() == i; blocks_.pop_back()) {
      after_block(std::ssize(blocks_) - 1);
    }
  }
}

std::vector<std::string> Tape::op_names() const {
  std::vector<std::string> names;
  for (const Node& node : nodes_) names.emplace_back(node.name);
  return names;
}

}  // namespace gmlp
