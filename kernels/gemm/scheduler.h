#pragma once
// Which thread runs which task of a kernel: a static start, then stealing.
//
// A kernel cuts its work by its sizes alone. If no sum runs over a task, the number of threads may
// count, too (gemm.h). Each task writes its own outputs, so the schedule changes no bit. It changes
// the time: if two cores share no cache, reading what the other one wrote takes twice as long.
// Thread i therefore always starts with the same part of the tasks, in order, and finds in its
// caches the rows that it wrote in the previous kernel. A thread that has finished its part steals
// from the ends of the other parts.

#include <omp.h>

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

/// What a thread knows about a task that it runs. `first` is its first task of this kernel. It
/// numbers a workspace that only this thread uses, and that is in its cache by now. `next` is its
/// next task unless another thread steals it, and is at least the number of tasks if there is none.
struct TaskSlot {
  int64_t task;
  int64_t first;
  int64_t next;
};

/// How many tasks of a part have started: from the front in the lower 32 bits, by its own thread,
/// and from the back in the upper ones. One atomic addition claims a task.
struct alignas(64) Progress {
  uint64_t counts = 0;
};
constexpr uint64_t kFromFront = 1;
constexpr uint64_t kFromBack = uint64_t{1} << 32;

/// Calls body(slot) once per task, on all threads.
template <typename Body>
GMLP_INLINE void parallel_tasks(int64_t tasks, const Body& body) {
  constexpr int64_t kParts = 64;  // more threads than that share parts
  Progress progress[kParts];
#pragma omp parallel
  {
    configure_tmm();
    const int64_t team = omp_get_num_threads();
    const int64_t parts = team < kParts ? team : kParts;
    const int64_t own = omp_get_thread_num() % parts;
    int64_t first = tasks;
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t part = (own + i) % parts;
      const int64_t begin = tasks * part / parts;
      const int64_t end = tasks * (part + 1) / parts;
      while (true) {
        const uint64_t before = __atomic_fetch_add(
            &progress[part].counts, i == 0 ? kFromFront : kFromBack, __ATOMIC_RELAXED);
        const int64_t front = static_cast<int64_t>(before % kFromBack);
        const int64_t back = static_cast<int64_t>(before / kFromBack);
        if (front + back >= end - begin) break;
        const int64_t task = i == 0 ? begin + front : end - 1 - back;
        if (first == tasks) first = task;
        body(TaskSlot{task, first, i == 0 && task + 1 < end ? task + 1 : tasks});
      }
    }
    release_tmm();
  }
}

/// Tasks of kMC rows each.
GMLP_INLINE int64_t row_tasks(int64_t rows) {
  return ceil_div(rows, kMC);
}
/// The first row of the last part. The first part has half of the row tasks, rounded down, so that
/// each of two threads reads the rows that it wrote.
GMLP_INLINE int64_t split_row(int64_t rows) {
  return row_tasks(rows) / 2 * kMC;
}
/// Calls body(r0, r1, slot) once per range [r0, r1) of kMC rows, the last one shorter.
template <typename Body>
GMLP_INLINE void parallel_rows(int64_t rows, const Body& body) {
  parallel_tasks(row_tasks(rows), [&](const TaskSlot& slot) {
    const int64_t r0 = slot.task * kMC;
    body(r0, min(r0 + kMC, rows), slot);
  });
}

}  // namespace gmlp::fused::GMLP_ISA
