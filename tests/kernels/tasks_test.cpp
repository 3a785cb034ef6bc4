// How a kernel's tasks are dealt out to threads.

#define GMLP_ISA scalar_tasks
#define GMLP_ISA_SCALAR
#include "kernels/fused/tasks.h"

#include <set>
#include <vector>

#include "core/parallel.h"
#include "tests/support/catch.h"

namespace gmlp {

using fused::scalar_tasks::each_task;
using fused::scalar_tasks::Turn;

namespace {

/// What one thread saw, in its order.
using Turns = std::vector<Turn>;

std::vector<Turns> deal(int64_t tasks, int threads) {
  const int before = thread_count();
  set_thread_count(threads);
  std::vector<Turns> turns(static_cast<size_t>(threads));
  each_task(tasks, [&](const Turn& turn) {
    turns[static_cast<size_t>(omp_get_thread_num())].push_back(turn);
  });
  set_thread_count(before);
  return turns;
}

}  // namespace

TEST_CASE("each task is taken once, by any number of threads", "[threads]") {
  for (const int threads : {1, 2, 3, 8, 70}) {
    for (const int64_t tasks : {0, 1, 2, 7, 64, 501}) {
      INFO(threads << " threads, " << tasks << " tasks");
      std::multiset<int64_t> taken;
      for (const Turns& turns : deal(tasks, threads)) {
        for (const Turn& turn : turns) {
          taken.insert(turn.task);
          CHECK(turn.first == turns.front().task);
        }
      }
      CHECK(static_cast<int64_t>(taken.size()) == tasks);
      for (int64_t task = 0; task < tasks; ++task) CHECK(taken.count(task) == 1);
    }
  }
}

TEST_CASE("a thread begins with its own part and knows what it takes next", "[threads]") {
  const std::vector<Turns> one = deal(5, 1);
  REQUIRE(one[0].size() == 5);
  for (int64_t task = 0; task < 5; ++task) {
    CHECK(one[0][static_cast<size_t>(task)].task == task);
    CHECK(one[0][static_cast<size_t>(task)].next == task + 1);
  }
  // With two a part is either begun by its owner at its front, or was taken whole by the other one.
  const std::vector<Turns> two = deal(6, 2);
  for (size_t thread = 0; thread < 2; ++thread) {
    if (two[thread].empty()) continue;
    const int64_t begin = 3 * static_cast<int64_t>(thread);
    const int64_t first = two[thread].front().task;
    CHECK((first == begin || two[1 - thread].size() >= 3));
  }
}

}  // namespace gmlp
