// The losses: cross-entropy with soft targets (vision), with one id per row (language), and with
// the output projection inside, so that the logits are never in memory: linear_cross_entropy.

#include <algorithm>
#include <numeric>

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

/// factor * the sum of the rows' losses, in double and in order: the printed loss is the same for
/// any number of threads.
template <typename T>
T scaled_sum(const T* rows, int64_t n, double factor) {
  return static_cast<T>(std::accumulate(rows, rows + n, 0.0) * factor);
}

/// scale / n, or 0 if there is nothing to average.
double mean_factor(double scale, int64_t n) {
  return n == 0 ? 0 : scale / static_cast<double>(n);
}

/// Records factor * the sum of the losses of the rows of logits (R, C), with
/// forward(loss_rows, probs, logits) and backward(dlogits, dloss * factor, probs).
template <typename Forward, typename Backward>
Var record_loss(Tape& tape, const char* name, Var logits, double factor, const Forward& forward,
                const Backward& backward) {
  const Tensor probs = tape.scratch_like(tape.value(logits));
  const int64_t rows = probs.shape().rows();
  const Tensor loss_rows = tape.scratch(probs.dtype(), {rows});
  return tape.record_unary(
      name, logits, {1},
      [&]<typename T>(T* loss, T* z) {
        forward(loss_rows.data<T>(), probs.data<T>(), z);
        *loss = scaled_sum(loss_rows.data<T>(), rows, factor);
      },
      [=]<typename T>(T* dz, T* dloss, T*) { backward(dz, *dloss * factor, probs.data<T>()); });
}

/// targets[r,c] becomes w[c] targets[r,c] / sums[r], so that each row sums to 1; returns the sums.
template <typename T>
std::vector<double> weigh_targets(T* targets, int64_t rows, const std::vector<double>& weights) {
  std::vector<double> sums(static_cast<size_t>(rows));
  for (double& sum : sums) {
    for (size_t c = 0; c < weights.size(); ++c) sum += weights[c] * static_cast<double>(targets[c]);
    for (const double weight : weights) *targets++ *= static_cast<T>(weight / sum);
  }
  return sums;
}

/// Row r times factors[r]; nothing without factors.
template <typename T>
void multiply_rows(T* rows, const std::vector<double>& factors, int64_t columns) {
  for (const double factor : factors) {
    for (int64_t c = 0; c < columns; ++c) *rows++ *= static_cast<T>(factor);
  }
}

/// linear_cross_entropy of rows (M, D) that all have an id, in one kernel.
Var record_fused(Tape& tape, Var rows, Parameter& table, Parameter* bias,
                 const std::vector<int64_t>& ids, double scale) {
  const Tensor in = tape.value(rows);
  const fused::LinearShape shape{in.shape().rows(), in.shape().cols(), table.value.shape()[0]};
  const double factor = mean_factor(scale, shape.rows);
  const fused::Kernels& kernels = fused::kernels();
  const int64_t bytes = kernels.linear_cross_entropy_workspace(shape);
  const Tensor loss = tape.scratch(in.dtype(), {1});
  const Tensor top = tape.scratch(in.dtype(), {shape.rows});  // the maximum of a row's logits
  const Tensor sum = tape.scratch(in.dtype(), {shape.rows});  // the sum of their exponentials
  const Tensor loss_rows = tape.scratch(in.dtype(), {shape.rows});
  tape.run_with_workspace(bytes, [&](void* workspace) {
    kernels.linear_cross_entropy_forward(
        loss_rows.data<float>(), top.data<float>(), sum.data<float>(), in.data<float>(),
        table.value.data<float>(), data_or_null<float>(value_of(bias)), ids.data(), workspace,
        shape);
    *loss.data<float>() = scaled_sum(loss_rows.data<float>(), shape.rows, factor);
  });
  return tape.record("linear_cross_entropy", loss, [=, &tape, &kernels, &table](const Tensor& dy) {
    const Tensor dx = tape.requires_grad(rows) ? tape.scratch_like(in) : Tensor();
    tape.run_with_workspace(bytes, [&](void* workspace) {
      kernels.linear_cross_entropy_backward(
          data_or_null<float>(dx), table.grad.data<float>(), data_or_null<float>(grad_of(bias)),
          static_cast<float>(dy.at(0) * factor), top.data<float>(), sum.data<float>(),
          in.data<float>(), table.value.data<float>(), data_or_null<float>(value_of(bias)),
          ids.data(), workspace, shape);
    });
    if (dx.defined()) tape.accumulate_grad(rows, dx, true);
  });
}

}  // namespace

Var cross_entropy(Tape& tape, Var logits, const Tensor& targets, double scale,
                  const std::vector<double>& class_weights) {
  const Tensor z = tape.value(logits);
  const int64_t rows = z.shape().rows();
  const int64_t classes = z.shape().cols();
  require(targets.elements() == z.elements(), "cross_entropy: targets and logits do not match");
  const bool weighted = !class_weights.empty();
  require(!weighted || std::ssize(class_weights) == classes, "cross_entropy: one weight per class");
  Tensor expected = targets;
  if (weighted || targets.dtype() != z.dtype()) {
    expected = tape.scratch_like(z);
    tape.run([&] { expected.copy_from(targets); });
  }
  // The kernel's targets sum to 1. Weighted ones are divided by their sums, the rows multiplied.
  std::vector<double> sums;
  if (weighted) {
    const auto weigh = [&](auto* x) { sums = weigh_targets(x, rows, class_weights); };
    tape.run(z.dtype(), weigh, expected);
  }
  return record_loss(
      tape, "cross_entropy", logits, mean_factor(scale, rows),
      [=]<typename T>(T* loss_rows, T* probs, T* x) {
        reference::cross_entropy_forward(loss_rows, probs, x, expected.data<T>(), rows, classes);
        multiply_rows(loss_rows, sums, 1);
      },
      [=]<typename T>(T* dx, double dloss, T* probs) {
        reference::cross_entropy_backward(dx, dloss, probs, expected.data<T>(), rows, classes);
        multiply_rows(dx, sums, classes);
      });
}

Var cross_entropy_ids(Tape& tape, Var logits, const std::vector<int64_t>& ids, double scale) {
  const int64_t rows = tape.value(logits).shape().rows();
  const int64_t classes = tape.value(logits).shape().cols();
  require(static_cast<int64_t>(ids.size()) == rows, "cross_entropy_ids: one id per row");
  require_ids("labels", ids, INT64_MIN, classes);
  const int64_t scored = std::count_if(ids.begin(), ids.end(), [](int64_t id) { return id >= 0; });
  return record_loss(
      tape, "cross_entropy_ids", logits, mean_factor(scale, scored),
      [&](auto* loss_rows, auto* probs, auto* x) {
        reference::cross_entropy_ids_forward(loss_rows, probs, x, ids.data(), rows, classes);
      },
      [=](auto* dx, double dloss, auto* probs) {
        reference::cross_entropy_ids_backward(dx, dloss, probs, ids.data(), rows, classes);
      });
}

Var linear_cross_entropy(Tape& tape, Var x, Parameter& table, Parameter* bias,
                         const std::vector<int64_t>& ids, double scale) {
  const Shape full = tape.value(x).shape();
  require(static_cast<int64_t>(ids.size()) == full.rows(), "linear_cross_entropy: one id per row");
  require(table.value.shape().cols() == full.cols(),
          "linear_cross_entropy: table and input do not match");
  require_ids("labels", ids, INT64_MIN, table.value.shape()[0]);
  std::vector<int64_t> numbers;  // of the rows that are scored
  std::vector<int64_t> scored;   // their ids
  for (size_t r = 0; r < ids.size(); ++r) {
    if (ids[r] < 0) continue;
    numbers.push_back(static_cast<int64_t>(r));
    scored.push_back(ids[r]);
  }
  const Var rows = scored.size() == ids.size() ? x : select_rows(tape, x, numbers);
  if (tape.use_fused(table.value.dtype())) {
    return record_fused(tape, rows, table, bias, scored, scale);
  }
  return cross_entropy_ids(tape, linear(tape, rows, table, bias), scored, scale);
}

}  // namespace gmlp
