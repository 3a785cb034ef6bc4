// How a kernel's tasks are dealt out to threads.

#define GMLP_ISA scalar_tasks
#define GMLP_ISA_SCALAR
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "kernels/gemm/scheduler.h"
#include "tests/support/catch.h"

namespace gmlp {

using fused::scalar_tasks::parallel_tasks;
using fused::scalar_tasks::TaskSlot;

namespace {

/// What one thread saw, in its order.
using Turns = std::vector<TaskSlot>;

std::vector<Turns> deal(int64_t tasks, int threads) {
  const int before = thread_count();
  set_thread_count(threads);
  std::vector<Turns> turns(static_cast<size_t>(threads));
  parallel_tasks(tasks, [&](const TaskSlot& turn) {
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
        for (const TaskSlot& turn : turns) {
          taken.insert(turn.task);
          CHECK(turn.first == turns.front().task);
        }
      }
      CHECK(static_cast<int64_t>(taken.size()) == tasks);
      for (int64_t task = 0; task < tasks; ++task) CHECK(taken.count(task) == 1);
    }
  }
}

TEST_CASE("a thread alone takes tasks in order and knows the next one", "[threads]") {
  const std::vector<Turns> one = deal(5, 1);
  REQUIRE(one[0].size() == 5);
  for (int64_t task = 0; task < 5; ++task) {
    CHECK(one[0][static_cast<size_t>(task)].task == task);
    CHECK(one[0][static_cast<size_t>(task)].next == task + 1);
  }
}

TEST_CASE("each thread begins at the front of its own part", "[threads]") {
  const int before = thread_count();
  set_thread_count(3);
  // Nobody goes on before all have begun: then nobody has taken another's first task.
  std::atomic<int> begun{0};
  std::vector<int64_t> begins(3, -1);
  parallel_tasks(7, [&](const TaskSlot& turn) {
    int64_t& mine = begins[static_cast<size_t>(omp_get_thread_num())];
    if (mine >= 0) return;
    mine = turn.task;
    ++begun;
    while (begun < omp_get_num_threads()) std::this_thread::yield();
  });
  set_thread_count(before);
  CHECK(begins == std::vector<int64_t>{0, 2, 4});
}

}  // namespace gmlp
