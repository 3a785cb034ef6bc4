// parallel_for: every chunk once, exceptions carried out, the same sums for any number of threads.
#include "core/parallel.h"

#include <atomic>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace gmlp {
namespace {

// Gives the number of threads back that was set before the test.
class ThreadsRestored {
 public:
  ~ThreadsRestored() { set_thread_count(before_); }

 private:
  int before_ = thread_count();
};

TEST_CASE("the thread count is what was set and at least one") {
  const ThreadsRestored restored;
  set_thread_count(3);
  CHECK(thread_count() == 3);
  set_thread_count(0);
  CHECK(thread_count() == 1);
}

TEST_CASE("the CPU quota is the smallest of a control group and those above it") {
  const test::TemporaryFolder folder;
  const auto quota = [&](const std::string& groups) {
    folder.write("proc/self/cgroup", groups);
    return cpu_quota(folder.path());
  };
  CHECK(std::isinf(cpu_quota(folder / "none")));
  folder.write("sys/fs/cgroup/cpu.max", "max 100000\n");
  folder.write("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  folder.write("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
  CHECK(std::isinf(quota("0::/\n")));
  CHECK(quota("0::/a\n") == 1.5);
  CHECK(quota("0::/a/b\n") == 1.5);              // the group above allows less
  CHECK(quota("0::/a/b/hidden/deep\n") == 1.5);  // not visible from inside a container
  CHECK(std::isinf(quota("nonsense\n1:\n0::\n")));

  folder.write("sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us", "50000\n");
  folder.write("sys/fs/cgroup/cpu/docker/cpu.cfs_period_us", "100000\n");
  folder.write("sys/fs/cgroup/cpu/free/cpu.cfs_quota_us", "-1\n");
  folder.write("sys/fs/cgroup/cpu/free/cpu.cfs_period_us", "100000\n");
  CHECK(quota("4:cpu,cpuacct:/docker\n2:memory:/a\n") == 0.5);
  CHECK(std::isinf(quota("4:cpuacct,cpu:/free\n3:cpuset:/docker\n")));
}

TEST_CASE("parallel_for calls its body once a chunk") {
  const ThreadsRestored restored;
  set_thread_count(4);
  for (const int64_t chunks : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(chunks));
    parallel_for(chunks, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
    for (const std::atomic<int>& count : calls) CHECK(count == 1);
  }
}

// Whether this thread flushes both results and operands.
bool flushes_denormals() {
  const volatile float smallest = 1.17549435e-38F;
  const volatile float denormal = 1e-40F;
  return smallest / 2 == 0 && denormal * 16 == 0;
}

TEST_CASE("workers flush denormals where the program says so") {
  // On a thread of its own, since the mode stays with a thread.
  int flushing = 0;
  bool before = true;
  std::thread([&] {
    before = flushes_denormals();
    flush_denormals();
    set_thread_count(4);
    std::atomic<int> count{0};
#pragma omp parallel
    if (flushes_denormals()) ++count;
    flushing = count;
  }).join();
  CHECK_FALSE(before);
  CHECK(flushing == 4);
}

TEST_CASE("parallel_ranges covers everything once, in ranges of the given size") {
  const ThreadsRestored restored;
  set_thread_count(4);
  for (const int64_t n : {0, 1, 31, 32, 33, 100}) {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(n));
    std::atomic<bool> too_long{false};
    parallel_ranges(n, 32, [&](int64_t begin, int64_t end) {
      if (end - begin > 32) too_long = true;
      for (int64_t i = begin; i < end; ++i) ++calls[static_cast<size_t>(i)];
    });
    for (const std::atomic<int>& count : calls) CHECK(count == 1);
    CHECK_FALSE(too_long);
  }
}

TEST_CASE("an exception in a chunk is rethrown with its type and message") {
  const ThreadsRestored restored;
  for (const int threads : {1, 4}) {
    set_thread_count(threads);
    std::atomic<int> finished{0};
    std::string message;
    try {
      parallel_for(100, [&](int64_t i) {
        if (i == 37) throw std::out_of_range("chunk 37");
        ++finished;
      });
    } catch (const std::out_of_range& error) {
      message = error.what();
    }
    CHECK(message == "chunk 37");
    CHECK(finished == 99);
    CHECK_THROWS_AS(parallel_for(1, [](int64_t) { throw std::out_of_range("alone"); }),
                    std::out_of_range);
  }
}

TEST_CASE("a sum over chunks has the same bits for one to eight threads") {
  const ThreadsRestored restored;
  constexpr int64_t kCount = 100'000;
  constexpr int64_t kChunk = 1000;
  float first = 0;
  for (int threads = 1; threads <= 8; ++threads) {
    set_thread_count(threads);
    std::vector<float> partial(static_cast<size_t>(chunk_count(kCount, kChunk)));
    parallel_ranges(kCount, kChunk, [&](int64_t begin, int64_t end) {
      float sum = 0;
      for (int64_t i = begin; i < end; ++i) sum += std::sin(static_cast<float>(i));
      partial[static_cast<size_t>(begin / kChunk)] = sum;
    });
    float total = 0;
    for (const float sum : partial) total += sum;
    if (threads == 1) first = total;
    CHECK(total == first);
  }
}

}  // namespace
}  // namespace gmlp
