// The losses: cross-entropy with soft targets (vision), with one id per row (language), and with
// the output projection inside, so that the logits are never in memory: linear_cross_entropy.

#include <algorithm>

#include "autograd/ops.h"
#include "core/error.h"
#include "kernels/kernels.h"
#include "kernels/reference/reference.h"

namespace gmlp {

namespace {

/// The sum of the rows' losses, in double and in order: the printed loss is the same for any number
/// of threads.
template <typename T>
void write_mean(const Tensor& loss, const T* rows, int64_t n, double factor) {
  double sum = 0;
  for (int64_t r = 0; r < n; ++r) sum += static_cast<double>(rows[r]);
  loss.fill(sum * factor);
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
  const Tensor z = tape.value(logits);
  const Tensor probs = tape.scratch_like(z);
  const Tensor loss_rows = tape.scratch(z.dtype(), {z.shape().rows()});
  const Tensor loss = tape.scratch(z.dtype(), {1});
  tape.run(z.dtype(), [&]<typename T>() {
    forward(loss_rows.data<T>(), probs.data<T>(), z.data<T>());
    write_mean(loss, loss_rows.data<T>(), loss_rows.elements(), factor);
  });
  return tape.record(name, loss, [=, &tape](const Tensor& dloss) {
    const Tensor dz = tape.scratch_like(z);
    tape.run(z.dtype(),
             [&]<typename T>() { backward(dz.data<T>(), dloss.at(0) * factor, probs.data<T>()); });
    tape.accumulate_grad(logits, dz);
  });
}

/// linear_cross_entropy on the M rows that have an id: what its forward and backward share.
struct ScoredRows {
  const Parameter* table;  // (V, D)
  const Parameter* bias;   // (V), or nullptr
  std::vector<int64_t> rows{};
  std::vector<int64_t> ids{};
  bool all = false;     // every row is scored, so nothing is gathered or scattered
  Tensor x{};           // (M, D), gathered
  Tensor top{}, sum{};  // (M): the maximum of a row's logits, and the sum of their exponentials

  fused::LinearCrossEntropyShape shape() const {
    return {static_cast<int64_t>(rows.size()), table->value.shape().cols(),
            table->value.shape()[0]};
  }
};

ScoredRows scored_rows(const Parameter& table, const Parameter* bias,
                       const std::vector<int64_t>& ids) {
  ScoredRows scored{&table, bias};
  for (size_t r = 0; r < ids.size(); ++r) {
    require(ids[r] < table.value.shape()[0], "linear_cross_entropy: an id beyond the vocabulary");
    if (ids[r] < 0) continue;
    scored.rows.push_back(static_cast<int64_t>(r));
    scored.ids.push_back(ids[r]);
  }
  scored.all = scored.rows.size() == ids.size();
  return scored;
}

/// The scored rows of x, next to each other (M, D).
Tensor gather(Tape& tape, const Tensor& x, const ScoredRows& scored) {
  if (scored.all) return x;
  const fused::LinearCrossEntropyShape shape = scored.shape();
  const Tensor rows = tape.scratch(x.dtype(), {shape.rows, shape.width});
  tape.run(x.dtype(), [&]<typename T>() {
    // x serves as the table of an embedding, and the row numbers as its ids.
    reference::embedding_forward(rows.data<T>(), scored.rows.data(), x.data<T>(), shape.rows,
                                 shape.width);
  });
  return rows;
}

/// dx (B, N, D) from the gradient of its scored rows; that of the others is zero.
void scatter(Tape& tape, const Tensor& dx, const Tensor& drows, const ScoredRows& scored) {
  tape.run(dx.dtype(), [&]<typename T>() {
    dx.fill(0);
    reference::embedding_backward(dx.data<T>(), drows.data<T>(), scored.rows.data(),
                                  scored.shape().rows, scored.shape().width);
  });
}

int64_t workspace_bytes(const Tape& tape, const ScoredRows& s) {
  const fused::LinearCrossEntropyShape shape = s.shape();
  if (tape.use_fused(s.x.dtype())) return fused::kernels().linear_cross_entropy_workspace(shape);
  return dtype_size(s.x.dtype()) * reference::linear_cross_entropy_workspace(shape.rows, shape.vocab);
}

void project_forward(Tape& tape, const Tensor& loss_rows, const ScoredRows& s) {
  const fused::LinearCrossEntropyShape shape = s.shape();
  tape.run_with_workspace(workspace_bytes(tape, s), [&](void* workspace) {
    if (tape.use_fused(s.x.dtype())) {
      fused::kernels().linear_cross_entropy_forward(
          loss_rows.data<float>(), s.top.data<float>(), s.sum.data<float>(), s.x.data<float>(),
          value_of<float>(s.table), value_of<float>(s.bias), s.ids.data(), workspace, shape);
      return;
    }
    tape.run(s.x.dtype(), [&]<typename T>() {
      reference::linear_cross_entropy_forward(
          loss_rows.data<T>(), s.top.data<T>(), s.sum.data<T>(), s.x.data<T>(),
          value_of<T>(s.table), value_of<T>(s.bias), s.ids.data(), static_cast<T*>(workspace),
          shape.rows, shape.width, shape.vocab);
    });
  });
}

/// drows (M, D) may be undefined; dloss times `factor` is the gradient of each row's loss.
void project_backward(Tape& tape, const Tensor& drows, const Tensor& dloss, double factor,
                      const ScoredRows& s) {
  const fused::LinearCrossEntropyShape shape = s.shape();
  tape.run_with_workspace(workspace_bytes(tape, s), [&](void* workspace) {
    const double drow = dloss.at(0) * factor;
    if (tape.use_fused(s.x.dtype())) {
      fused::kernels().linear_cross_entropy_backward(
          data_or_null<float>(drows), grad_of<float>(s.table), grad_of<float>(s.bias),
          static_cast<float>(drow), s.top.data<float>(), s.sum.data<float>(), s.x.data<float>(),
          value_of<float>(s.table), value_of<float>(s.bias), s.ids.data(), workspace, shape);
      return;
    }
    tape.run(s.x.dtype(), [&]<typename T>() {
      reference::linear_cross_entropy_backward(
          data_or_null<T>(drows), grad_of<T>(s.table), grad_of<T>(s.bias), drow, s.top.data<T>(),
          s.sum.data<T>(), s.x.data<T>(), value_of<T>(s.table), value_of<T>(s.bias), s.ids.data(),
          static_cast<T*>(workspace), shape.rows, shape.width, shape.vocab);
    });
  });
}

}  // namespace

Var cross_entropy(Tape& tape, Var logits, const Tensor& targets, double scale) {
  const Tensor z = tape.value(logits);
  const int64_t rows = z.shape().rows();
  const int64_t classes = z.shape().cols();
  require(targets.elements() == z.elements(), "cross_entropy: targets and logits do not match");
  Tensor expected = targets;
  if (targets.dtype() != z.dtype()) {
    expected = tape.scratch_like(z);
    tape.run([&] { expected.copy_from(targets); });
  }
  return record_loss(
      tape, "cross_entropy", logits, mean_factor(scale, rows),
      [=]<typename T>(T* loss_rows, T* probs, T* x) {
        reference::cross_entropy_forward(loss_rows, probs, x, expected.data<T>(), rows, classes);
      },
      [=]<typename T>(T* dx, double dloss, T* probs) {
        reference::cross_entropy_backward(dx, dloss, probs, expected.data<T>(), rows, classes);
      });
}

Var cross_entropy_ids(Tape& tape, Var logits, const std::vector<int64_t>& ids, double scale) {
  const int64_t rows = tape.value(logits).shape().rows();
  const int64_t classes = tape.value(logits).shape().cols();
  require(static_cast<int64_t>(ids.size()) == rows, "cross_entropy_ids: one id per row");
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
  const Tensor in = tape.value(x);
  require(static_cast<int64_t>(ids.size()) == in.shape().rows(),
          "linear_cross_entropy: one id per row");
  require(table.value.shape().cols() == in.shape().cols(),
          "linear_cross_entropy: table and input do not match");
  const Tensor loss = tape.scratch(in.dtype(), {1});
  ScoredRows scored = scored_rows(table, bias, ids);
  const int64_t count = scored.shape().rows;
  const double factor = mean_factor(scale, count);
  if (count > 0) {
    scored.x = gather(tape, in, scored);
    scored.top = tape.scratch(in.dtype(), {count});
    scored.sum = tape.scratch(in.dtype(), {count});
    const ArenaScope scope(tape.arena());
    const Tensor loss_rows = tape.scratch(in.dtype(), {count});
    project_forward(tape, loss_rows, scored);
    tape.run(in.dtype(),
             [&]<typename T>() { write_mean(loss, loss_rows.data<T>(), count, factor); });
  } else {
    tape.run([&] { loss.fill(0); });
  }
  return tape.record("linear_cross_entropy", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dx = tape.requires_grad(x) ? tape.scratch_like(in) : Tensor();
    {
      const ArenaScope scope(tape.arena());
      const bool scatters = dx.defined() && !scored.all;
      const Tensor drows = scatters ? tape.scratch(in.dtype(), {count, in.shape().cols()}) : dx;
      if (count > 0) project_backward(tape, drows, dloss, factor, scored);
      if (scatters) scatter(tape, dx, drows, scored);
    }
    if (dx.defined()) tape.accumulate_grad(x, dx);
  });
}

}  // namespace gmlp
