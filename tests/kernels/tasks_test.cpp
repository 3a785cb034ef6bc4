// How a kernel's tasks are scheduled on threads.

#define GMLP_ISA scalar_tasks
#define GMLP_ISA_SCALAR
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "kernels/gemm/gemm.h"
#include "tests/support/catch.h"

namespace gmlp {

using fused::scalar_tasks::choose_row_tasks;
using fused::scalar_tasks::parallel_tasks;
using fused::scalar_tasks::RowTasks;
using fused::scalar_tasks::TaskSlot;

namespace {

/// What one thread saw, in its order.
using Slots = std::vector<TaskSlot>;

std::vector<Slots> run_tasks(int64_t tasks, int threads) {
  const int before = thread_count();
  set_thread_count(threads);
  std::vector<Slots> slots(static_cast<size_t>(threads));
  parallel_tasks(tasks, [&](const TaskSlot& slot) {
    slots[static_cast<size_t>(omp_get_thread_num())].push_back(slot);
  });
  set_thread_count(before);
  return slots;
}

}  // namespace

TEST_CASE("each task runs once, on any number of threads", "[threads]") {
  for (const int threads : {1, 2, 3, 8, 70}) {
    for (const int64_t tasks : {0, 1, 2, 7, 64, 501}) {
      INFO(threads << " threads, " << tasks << " tasks");
      std::multiset<int64_t> seen;
      for (const Slots& slots : run_tasks(tasks, threads)) {
        for (const TaskSlot& slot : slots) {
          seen.insert(slot.task);
          CHECK(slot.first == slots.front().task);
        }
      }
      CHECK(static_cast<int64_t>(seen.size()) == tasks);
      for (int64_t task = 0; task < tasks; ++task) CHECK(seen.count(task) == 1);
    }
  }
}

TEST_CASE("a single thread runs the tasks in order and knows the next one", "[threads]") {
  const std::vector<Slots> one = run_tasks(5, 1);
  REQUIRE(one[0].size() == 5);
  for (int64_t task = 0; task < 5; ++task) {
    CHECK(one[0][static_cast<size_t>(task)].task == task);
    CHECK(one[0][static_cast<size_t>(task)].next == task + 1);
  }
}

TEST_CASE("each thread starts at the front of its own part", "[threads]") {
  const int before = thread_count();
  set_thread_count(3);
  // Every thread waits until all have started, so that none steals another's first task.
  std::atomic<int> started{0};
  std::vector<int64_t> first_tasks(3, -1);
  parallel_tasks(7, [&](const TaskSlot& slot) {
    int64_t& mine = first_tasks[static_cast<size_t>(omp_get_thread_num())];
    if (mine >= 0) return;
    mine = slot.task;
    ++started;
    while (started < omp_get_num_threads()) std::this_thread::yield();
  });
  set_thread_count(before);
  CHECK(first_tasks == std::vector<int64_t>{0, 2, 4});
}

TEST_CASE("a product's row tasks cover the rows and never both parts", "[threads]") {
  for (int64_t threads = 1; threads <= 32; ++threads) {
    for (const int64_t rows : {1, 4, 95, 96, 97, 192, 193, 768, 1001}) {
      INFO(threads << " threads, " << rows << " rows");
      const RowTasks tasks = choose_row_tasks<float>(rows, threads);
      CHECK(tasks.begin(0) == 0);
      CHECK(tasks.begin(tasks.count()) == rows);
      bool split = tasks.split == 0;
      for (int64_t task = 0; task < tasks.count(); ++task) {
        const int64_t size = tasks.begin(task + 1) - tasks.begin(task);
        CHECK((size > 0 && size <= tasks.size));
        split = split || tasks.begin(task + 1) == tasks.split;
      }
      CHECK(split);
    }
  }
}

TEST_CASE("no thread multiplies many more rows than its share", "[threads]") {
  for (const int64_t threads : {2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24}) {
    INFO(threads << " threads");
    const RowTasks tasks = choose_row_tasks<float>(768, threads);
    int64_t busiest = 0;
    for (int64_t thread = 0; thread < threads; ++thread) {
      const int64_t first = tasks.count() * thread / threads;
      const int64_t end = tasks.count() * (thread + 1) / threads;
      busiest = std::max(busiest, tasks.begin(end) - tasks.begin(first));
    }
    CHECK(static_cast<double>(busiest * threads) <= 1.25 * 768);
  }
  for (const int64_t rows : {768, 800, 1280}) CHECK(choose_row_tasks<float>(rows, 1).size == 96);
  CHECK(choose_row_tasks<float>(768, 4).size == 96);  // whole tasks where they are as good
}

}  // namespace gmlp
