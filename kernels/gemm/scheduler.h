#pragma once
// Who does which task of a kernel. A kernel cuts its work into tasks by the sizes alone, and each
// task writes places of its own: who takes which changes no bit. It changes the time, though. Where
// two cores share no cache a number that the other one wrote comes at half the speed, so thread i
// always starts with the same part of the tasks, in order: row blocks of one kernel then meet the
// rows that the kernel before left in this core's caches. Whoever is done takes what others have
// not begun, from the end of their part.

#include <omp.h>

#include "kernels/simd/simd.h"

namespace gmlp::fused::GMLP_ISA {

/// What a thread knows when it takes a task: the first one that it took, whose room is in its cache
/// by now, and the one that it takes next if nobody is faster, whose input it can ask for on the
/// way. From the number of tasks on there is none.
struct TaskSlot {
  int64_t task;
  int64_t first;
  int64_t next;
};

/// How many of a thread's tasks have been taken: from the front in the lower half, from the back in
/// the upper one. Both in one number, so that one addition takes a task.
struct alignas(64) Taken {
  uint64_t counts = 0;
};
constexpr uint64_t kFromFront = 1;
constexpr uint64_t kFromBack = uint64_t{1} << 32;

/// Calls body(turn) for each of `tasks`, on all threads.
template <typename Body>
GMLP_INLINE void parallel_tasks(int64_t tasks, const Body& body) {
  constexpr int64_t kParts = 64;  // with more threads than that some share a part
  Taken taken[kParts];
#pragma omp parallel
  {
    const int64_t team = omp_get_num_threads();
    const int64_t parts = team < kParts ? team : kParts;
    const int64_t mine = omp_get_thread_num() % parts;
    int64_t first = tasks;
    for (int64_t i = 0; i < parts; ++i) {
      const int64_t part = (mine + i) % parts;
      const int64_t begin = tasks * part / parts;
      const int64_t end = tasks * (part + 1) / parts;
      while (true) {
        const uint64_t before = __atomic_fetch_add(
            &taken[part].counts, i == 0 ? kFromFront : kFromBack, __ATOMIC_RELAXED);
        const int64_t front = static_cast<int64_t>(before % kFromBack);
        const int64_t back = static_cast<int64_t>(before / kFromBack);
        if (front + back >= end - begin) break;
        const int64_t task = i == 0 ? begin + front : end - 1 - back;
        if (first == tasks) first = task;
        body(TaskSlot{task, first, i == 0 && task + 1 < end ? task + 1 : tasks});
      }
    }
  }
}

}  // namespace gmlp::fused::GMLP_ISA
