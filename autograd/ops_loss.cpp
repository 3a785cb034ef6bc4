// The losses: soft targets (vision), one id per row of which some are not scored (language), and
// the same on logits that are never made: linear_cross_entropy.

#include "autograd/dispatch_dtype.h"
#include "autograd/ops.h"
#include "kernels/kernels.h"

namespace gmlp {

namespace {

/// The sum of the rows' losses in double and in order, so that the printed loss does not depend on
/// threads.
template <typename T>
void write_mean(const Tensor& loss, const T* rows, int64_t n, double factor) {
  double sum = 0;
  for (int64_t r = 0; r < n; ++r) sum += static_cast<double>(rows[r]);
  loss.fill(sum * factor);
}

/// The rows that have an id.
struct Scored {
  std::vector<int64_t> rows;
  std::vector<int64_t> ids;
  bool all;  // then nothing is gathered or scattered

  int64_t count() const { return static_cast<int64_t>(rows.size()); }
};

Scored scored_rows(const std::vector<int64_t>& ids, int64_t vocab) {
  Scored scored;
  for (size_t r = 0; r < ids.size(); ++r) {
    require(ids[r] < vocab, "linear_cross_entropy: an id outside of the vocabulary");
    if (ids[r] < 0) continue;
    scored.rows.push_back(static_cast<int64_t>(r));
    scored.ids.push_back(ids[r]);
  }
  scored.all = scored.rows.size() == ids.size();
  return scored;
}

/// The scored rows of x, next to each other (M,D).
Tensor gather(Tape& tape, const Tensor& x, const Scored& scored) {
  if (scored.all) return x;
  const int64_t width = x.shape().cols();
  Tensor rows = tape.scratch(x.dtype(), {scored.count(), width});
  dispatch_dtype(x.dtype(), [&]<typename T>() {
    // Looked up in x as tokens are in their table.
    reference::embedding_forward(rows.data<T>(), scored.rows.data(), x.data<T>(), scored.count(),
                                 width);
  });
  return rows;
}

/// dx (B,N,D) from the gradient of its scored rows; the others' is zero.
void scatter(const Tensor& dx, const Tensor& drows, const Scored& scored) {
  dx.fill(0);
  dispatch_dtype(dx.dtype(), [&]<typename T>() {
    reference::embedding_backward(dx.data<T>(), drows.data<T>(), scored.rows.data(), scored.count(),
                                  dx.shape().cols());
  });
}

/// What the two halves of linear_cross_entropy share.
struct Projected {
  Tensor x;         // (M,D), gathered
  Tensor top, sum;  // (M)
  const Parameter* table;
  const Parameter* bias;  // or nullptr
  Scored scored;
};

fused::LinearCrossEntropyShape fused_shape(const Projected& p) {
  return {p.scored.count(), p.x.shape().cols(), p.table->value.shape()[0]};
}

void fused_projected_forward(Tape& tape, const Tensor& loss_rows, const Projected& p) {
  const fused::Kernels& kernels = fused::kernels();
  const fused::LinearCrossEntropyShape shape = fused_shape(p);
  void* room = tape.arena().allocate_bytes(kernels.linear_cross_entropy_workspace(shape));
  kernels.linear_cross_entropy_forward(
      loss_rows.data<float>(), p.top.data<float>(), p.sum.data<float>(), p.x.data<float>(),
      value_of<float>(p.table), value_of<float>(p.bias), p.scored.ids.data(), room, shape);
}

void fused_projected_backward(Tape& tape, const Tensor& drows, double dloss, const Projected& p) {
  const fused::Kernels& kernels = fused::kernels();
  const fused::LinearCrossEntropyShape shape = fused_shape(p);
  void* room = tape.arena().allocate_bytes(kernels.linear_cross_entropy_workspace(shape));
  kernels.linear_cross_entropy_backward(
      drows.defined() ? drows.data<float>() : nullptr, grad_of<float>(p.table),
      grad_of<float>(p.bias), static_cast<float>(dloss), p.top.data<float>(), p.sum.data<float>(),
      p.x.data<float>(), value_of<float>(p.table), value_of<float>(p.bias), p.scored.ids.data(),
      room, shape);
}

template <typename T>
void projected_forward(Tape& tape, const Tensor& loss_rows, const Projected& p) {
  const int64_t vocab = p.table->value.shape()[0];
  const int64_t room_size = reference::linear_cross_entropy_room(p.scored.count(), vocab);
  const Tensor room = tape.scratch(p.x.dtype(), {room_size});
  reference::linear_cross_entropy_forward(loss_rows.data<T>(), p.top.data<T>(), p.sum.data<T>(),
                                          p.x.data<T>(), value_of<T>(p.table), value_of<T>(p.bias),
                                          p.scored.ids.data(), room.data<T>(), p.scored.count(),
                                          p.x.shape().cols(), vocab);
}

/// drows (M,D) may be undefined.
template <typename T>
void projected_backward(Tape& tape, const Tensor& drows, double dloss, const Projected& p) {
  const int64_t vocab = p.table->value.shape()[0];
  const int64_t room_size = reference::linear_cross_entropy_room(p.scored.count(), vocab);
  const Tensor room = tape.scratch(p.x.dtype(), {room_size});
  reference::linear_cross_entropy_backward(
      drows.defined() ? drows.data<T>() : nullptr, grad_of<T>(p.table), grad_of<T>(p.bias), dloss,
      p.top.data<T>(), p.sum.data<T>(), p.x.data<T>(), value_of<T>(p.table), value_of<T>(p.bias),
      p.scored.ids.data(), room.data<T>(), p.scored.count(), p.x.shape().cols(), vocab);
}

/// The gradient of x where one is wanted, those of table and bias always.
void undo_projected(Tape& tape, Var x, double dloss, const Projected& p) {
  const Tensor in = tape.value(x);
  Tensor dx;
  if (tape.wants_gradient(x)) dx = tape.scratch(in.dtype(), in.shape());
  const Arena::Mark mark = tape.arena().mark();
  Tensor drows = dx;
  if (dx.defined() && !p.scored.all) drows = tape.scratch(in.dtype(), p.x.shape());
  if (use_fused(tape, in)) {
    fused_projected_backward(tape, drows, dloss, p);
  } else {
    dispatch_dtype(in.dtype(), [&]<typename T>() { projected_backward<T>(tape, drows, dloss, p); });
  }
  if (dx.defined() && !p.scored.all) scatter(dx, drows, p.scored);
  tape.arena().rewind(mark);
  if (dx.defined()) tape.accumulate_grad(x, dx);
}

}  // namespace

Var cross_entropy(Tape& tape, Var logits, const Tensor& targets, double scale) {
  const Tensor z = tape.value(logits);
  const int64_t rows = z.shape().rows();
  const int64_t classes = z.shape().cols();
  require(targets.elements() == z.elements(), "cross_entropy: targets and logits do not match");
  const double factor = scale / static_cast<double>(rows);
  Tensor wanted = targets;
  if (targets.dtype() != z.dtype()) {
    wanted = tape.scratch(z.dtype(), z.shape());
    wanted.copy_from(targets);
  }
  const Tensor probs = tape.scratch(z.dtype(), z.shape());
  const Tensor loss_rows = tape.scratch(z.dtype(), {rows});
  const Tensor loss = tape.scratch(z.dtype(), {1});
  dispatch_dtype(z.dtype(), [&]<typename T>() {
    reference::cross_entropy_forward(loss_rows.data<T>(), probs.data<T>(), z.data<T>(),
                                     wanted.data<T>(), rows, classes);
    write_mean(loss, loss_rows.data<T>(), rows, factor);
  });
  return tape.record("cross_entropy", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dz = tape.scratch(z.dtype(), z.shape());
    dispatch_dtype(z.dtype(), [&]<typename T>() {
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
  require(static_cast<int64_t>(ids.size()) == rows, "cross_entropy_ids: one id a row");
  int64_t scored = 0;
  for (const int64_t id : ids) scored += id >= 0 ? 1 : 0;
  const double factor = scored == 0 ? 0 : scale / static_cast<double>(scored);
  const Tensor probs = tape.scratch(z.dtype(), z.shape());
  const Tensor loss_rows = tape.scratch(z.dtype(), {rows});
  const Tensor loss = tape.scratch(z.dtype(), {1});
  dispatch_dtype(z.dtype(), [&]<typename T>() {
    reference::cross_entropy_ids_forward(loss_rows.data<T>(), probs.data<T>(), z.data<T>(),
                                         ids.data(), rows, classes);
    write_mean(loss, loss_rows.data<T>(), rows, factor);
  });
  return tape.record("cross_entropy_ids", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dz = tape.scratch(z.dtype(), z.shape());
    dispatch_dtype(z.dtype(), [&]<typename T>() {
      reference::cross_entropy_ids_backward(dz.data<T>(), dloss.at(0) * factor, probs.data<T>(),
                                            ids.data(), rows, classes);
    });
    tape.accumulate_grad(logits, dz);
  });
}

Var linear_cross_entropy(Tape& tape, Var x, Parameter& table, Parameter* bias,
                         const std::vector<int64_t>& ids, double scale) {
  const Tensor in = tape.value(x);
  const int64_t vocab = table.value.shape()[0];
  require(static_cast<int64_t>(ids.size()) == in.shape().rows(),
          "linear_cross_entropy: one id a row");
  require(table.value.shape().cols() == in.shape().cols(),
          "linear_cross_entropy: table and input do not match");
  const Tensor loss = tape.scratch(in.dtype(), {1});
  Projected p{{}, {}, {}, &table, bias, scored_rows(ids, vocab)};
  const int64_t scored = p.scored.count();
  if (scored == 0) {
    loss.fill(0);
    return tape.record("linear_cross_entropy", loss, [=, &tape](const Tensor&) {
      const Tensor dx = tape.scratch(in.dtype(), in.shape());
      dx.fill(0);
      tape.accumulate_grad(x, dx);
    });
  }
  p.x = gather(tape, in, p.scored);
  p.top = tape.scratch(in.dtype(), {scored});
  p.sum = tape.scratch(in.dtype(), {scored});
  const double factor = scale / static_cast<double>(scored);
  const Arena::Mark mark = tape.arena().mark();
  const Tensor loss_rows = tape.scratch(in.dtype(), {scored});
  dispatch_dtype(in.dtype(), [&]<typename T>() {
    if (use_fused(tape, in)) {
      fused_projected_forward(tape, loss_rows, p);
    } else {
      projected_forward<T>(tape, loss_rows, p);
    }
    write_mean(loss, loss_rows.data<T>(), scored, factor);
  });
  tape.arena().rewind(mark);
  return tape.record("linear_cross_entropy", loss, [=, &tape](const Tensor& dloss) {
    undo_projected(tape, x, dloss.at(0) * factor, p);
  });
}

}  // namespace gmlp
