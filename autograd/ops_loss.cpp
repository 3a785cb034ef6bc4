// The two losses: soft targets (vision), and one id per row of which some are not scored
// (language).

#include "autograd/by_dtype.h"
#include "autograd/ops.h"

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
  by_dtype(z.dtype(), [&]<typename T>() {
    reference::cross_entropy_forward(loss_rows.data<T>(), probs.data<T>(), z.data<T>(),
                                     wanted.data<T>(), rows, classes);
    write_mean(loss, loss_rows.data<T>(), rows, factor);
  });
  return tape.record("cross_entropy", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dz = tape.scratch(z.dtype(), z.shape());
    by_dtype(z.dtype(), [&]<typename T>() {
      reference::cross_entropy_backward(dz.data<T>(), dloss.at(0) * factor, probs.data<T>(),
                                        wanted.data<T>(), rows, classes);
    });
    tape.give(logits, dz);
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
  by_dtype(z.dtype(), [&]<typename T>() {
    reference::cross_entropy_ids_forward(loss_rows.data<T>(), probs.data<T>(), z.data<T>(),
                                         ids.data(), rows, classes);
    write_mean(loss, loss_rows.data<T>(), rows, factor);
  });
  return tape.record("cross_entropy_ids", loss, [=, &tape](const Tensor& dloss) {
    const Tensor dz = tape.scratch(z.dtype(), z.shape());
    by_dtype(z.dtype(), [&]<typename T>() {
      reference::cross_entropy_ids_backward(dz.data<T>(), dloss.at(0) * factor, probs.data<T>(),
                                            ids.data(), rows, classes);
    });
    tape.give(logits, dz);
  });
}

}  // namespace gmlp
