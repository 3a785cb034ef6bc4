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

void project_forward(Tape& tape, const Tensor& loss_rows, const ScoredRows& s) {
  const fused::LinearCrossEntropyShape shape = s.shape();
  if (tape.use_fused(s.x.dtype())) {
    const fused::Kernels& kernels = fused::kernels();
    void* workspace = tape.arena().allocate_bytes(kernels.linear_cross_entropy_workspace(shape));
    tape.run([&] {
      kernels.linear_cross_entropy_forward(
          loss_rows.data<float>(), s.top.data<float>(), s.sum.data<float>(), s.x.data<float>(),
          value_of<float>(s.table), value_of<float>(s.bias), s.ids.data(), workspace, shape);
    });
    return;
  }
  const Tensor workspace =
      tape.scratch(s.x.dtype(), {reference::linear_cross_entropy_room(shape.rows, shape.vocab)});
  tape.run(s.x.dtype(), [&]<typename T>() {
    reference::linear_cross_entropy_forward(loss_rows.data<T>(), s.top.data<T>(), s.sum.data<T>(),
                                            s.x.data<T>(), value_of<T>(s.table),
                                            value_of<T>(s.bias), s.ids.data(), workspace.data<T>(),
                                            shape.rows, shape.width, shape.vocab);
  });
}

/// drows (M, D) may be undefined; dloss is the loss's gradient times `factor`.
void project_backward(Tape& tape, const Tensor& drows, const Tensor& dloss, double factor,
                      const ScoredRows& s) {
  const fused::LinearCrossEntropyShape shape = s.shape();
  if (tape.use_fused(s.x.dtype())) {
    const fused::Kernels& kernels = fused::kernels();
    void* workspace = tape.arena().allocate_bytes(kernels.linear_cross_entropy_workspace(shape));
    tape.run([&] {
      kernels.linear_cross_entropy_backward(
          data_or_null<float>(drows), grad_of<float>(s.table), grad_of<float>(s.bias),
          static_cast<float>(dloss.at(0) * factor), s.top.data<float>(), s.sum.data<float>(),
          s.x.data<float>(), value_of<float>(s.table), value_of<float>(s.bias), s.ids.data(),
          workspace, shape);
    });
    return;
  }
  const Tensor workspace =
      tape.scratch(s.x.dtype(), {reference::linear_cross_entropy_room(shape.rows, shape.vocab)});
  tape.run(s.x.dtype(), [&]<typename T>() {
    reference::linear_cross_entropy_backward(
        data_or_null<T>(drows), grad_of<T>(s.table), grad_of<T>(s.bias), dloss.at(0) * factor,
        s.top.data<T>(), s.sum.data<T>(), s.x.data<T>(), value_of<T>(s.table), value_of<T>(s.bias),
        s.ids.data(), workspace.data<T>(), shape.rows, shape.width, shape.vocab);
  });
}

}  // namespace

Var cross_entropy(Tape& tape, Var logits, const Tensor& targets, double scale) {
  const Tensor z = tape.value(logits);
  const int64_t rows = z.shape().rows();
  const int64_t classes = z.shape().cols();
  require(targets.elements() == z.elements(), "cross_entropy: targets and logits do not match");
  const double factor = mean_factor(scale, rows);
  Tensor wanted = targets;
  if (targets.dtype() != z.dtype()) {
    wanted = tape.scratch_like(z);
    tape.run([&] { wanted.copy_from(targets); });
  }
  const Tensor probs = tape.scratch_like(z);
  const Tensor loss_rows = tape.scratch(z.dtype(), {rows});
  const Tensor loss = tape.scratch(z.dtype(), {1});
  tape.run(z.dtype(), [&]<typename T>() {
    reference::cross_entropy_forward(loss_rows.data<T>(), probs.data<T>(), z.data<T>(),
                                     wanted.data<T>(), rows, classes);
    write_mean(loss, loss_rows.data<T>(), rows, factor);
  });
  return tape.record("cross_entropy", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dz = tape.scratch_like(z);
    tape.run(z.dtype(), [&]<typename T>() {
      reference::cross_entropy_backward(dz.data<T>(), dloss.at(0) * factor, probs.data<T>(),
                                        wanted.data<T>(), rows, classes);
    });
    tape.accumulate_grad(logits, dz);
  });
}

Var cross_entropy_ids(Tape& tape, Var logits, const std::vector<int64_t>& ids, double scale) {
  const Tensor z = tape.value(logits);
  const int64_t rows = z.shape().rows();
  const int64_t classes = z.shape().cols();
  require(static_cast<int64_t>(ids.size()) == rows, "cross_entropy_ids: one id per row");
  const int64_t scored = std::count_if(ids.begin(), ids.end(), [](int64_t id) { return id >= 0; });
  const double factor = mean_factor(scale, scored);
  const Tensor probs = tape.scratch_like(z);
  const Tensor loss_rows = tape.scratch(z.dtype(), {rows});
  const Tensor loss = tape.scratch(z.dtype(), {1});
  tape.run(z.dtype(), [&]<typename T>() {
    reference::cross_entropy_ids_forward(loss_rows.data<T>(), probs.data<T>(), z.data<T>(),
                                         ids.data(), rows, classes);
    write_mean(loss, loss_rows.data<T>(), rows, factor);
  });
  return tape.record("cross_entropy_ids", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dz = tape.scratch_like(z);
    tape.run(z.dtype(), [&]<typename T>() {
      reference::cross_entropy_ids_backward(dz.data<T>(), dloss.at(0) * factor, probs.data<T>(),
                                            ids.data(), rows, classes);
    });
    tape.accumulate_grad(logits, dz);
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
  if (count == 0) {
    tape.run([&] { loss.fill(0); });
    return tape.record("linear_cross_entropy", loss, [=, &tape](const Tensor&) {
      const Tensor dx = tape.scratch_like(in);
      tape.run([&] { dx.fill(0); });
      tape.accumulate_grad(x, dx);
    });
  }
  scored.x = gather(tape, in, scored);
  scored.top = tape.scratch(in.dtype(), {count});
  scored.sum = tape.scratch(in.dtype(), {count});
  const double factor = mean_factor(scale, count);
  {
    const ArenaScope scope(tape.arena());
    const Tensor loss_rows = tape.scratch(in.dtype(), {count});
    project_forward(tape, loss_rows, scored);
    tape.run(in.dtype(),
             [&]<typename T>() { write_mean(loss, loss_rows.data<T>(), count, factor); });
  }
  return tape.record("linear_cross_entropy", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dx = tape.wants_gradient(x) ? tape.scratch_like(in) : Tensor();
    {
      const ArenaScope scope(tape.arena());
      const bool scatters = dx.defined() && !scored.all;
      const Tensor drows = scatters ? tape.scratch_like(scored.x) : dx;
      project_backward(tape, drows, dloss, factor, scored);
      if (scatters) scatter(tape, dx, drows, scored);
    }
    if (dx.defined()) tape.accumulate_grad(x, dx);
  });
}

}  // namespace gmlp
