#include "core/parallel.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <vector>

#include <omp.h>
#include <sched.h>
#include <unistd.h>

namespace gmlp {

namespace {

const int kInitialThreads = omp_get_max_threads();  // before any set_thread_count()
[[maybe_unused]] const bool kSpinsWereSet = std::getenv("GOMP_SPINCOUNT") != nullptr;

/// The quota in the files of one control group, in processors.
double group_quota(const std::filesystem::path& group) {
  double quota = -1, period = 0;
  if (std::ifstream both(group / "cpu.max"); !(both >> quota >> period)) {  // v2: "max" or a number
    std::ifstream(group / "cpu.cfs_quota_us") >> quota;                     // v1: -1 is no limit
    std::ifstream(group / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : std::numeric_limits<double>::infinity();
}

bool workers_flush = false;

void flush_on_this_thread() {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);  // FTZ (results), DAZ (operands)
#elif defined(__aarch64__)
  uint64_t fpcr = 0;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  asm volatile("msr fpcr, %0" : : "r"(fpcr | uint64_t{1} << 24));  // FZ (both)
#endif
}

}  // namespace

int thread_count() {
  return omp_get_max_threads();
}

void set_thread_count(int count) {
  omp_set_dynamic(0);  // exactly this many, even more than there are processors
  omp_set_num_threads(count < 1 ? 1 : count);
  if (!workers_flush) return;
#pragma omp parallel
  flush_on_this_thread();
}

int default_thread_count() {
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return kInitialThreads;
  // Rounded down: a thread that the quota stops in the middle of a step holds up all others.
  return static_cast<int>(std::clamp<double>(cpu_quota(), 1, kInitialThreads));
}

double cpu_quota(const std::string& root) {
  const std::filesystem::path top(root);
  double quota = std::numeric_limits<double>::infinity();
  std::ifstream groups(top / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // ID:CONTROLLER,...:/PATH
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = ',' + line.substr(first + 1, second - first - 1) + ',';
    const bool is_v2 = controllers == ",,";
    if (!is_v2 && controllers.find(",cpu,") == controllers.npos) continue;
    const std::filesystem::path mount = top / (is_v2 ? "sys/fs/cgroup" : "sys/fs/cgroup/cpu");
    // A container may see the path of its host, but its own groups only: missing ones are skipped.
    for (std::filesystem::path path = line.substr(second + 1);; path = path.parent_path()) {
      quota = std::min(quota, group_quota(mount / path.relative_path()));
      if (!path.has_relative_path()) break;
    }
  }
  return quota;
}

void limit_spinning([[maybe_unused]] char** argv) {
#if defined(__linux__)
  constexpr const char* kSpins = "2300";  // 50 to 100 us; docs/log/2026-11.md has what others cost
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", kSpins, 0) != 0 || kSpinsWereSet) return;
  // OMP_PROC_BIND has bound this thread to the first place, and would find no others again.
  cpu_set_t processors;
  CPU_ZERO(&processors);
  for (int place = 0; place < omp_get_num_places(); ++place) {
    std::vector<int> ids(static_cast<size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, ids.data());
    for (const int id : ids) CPU_SET(id, &processors);
  }
  if (CPU_COUNT(&processors) > 0) sched_setaffinity(0, sizeof processors, &processors);
  execv("/proc/self/exe", argv);  // without /proc, libgomp's own spinning stays
#endif
}

void flush_denormals() {
  workers_flush = true;
  flush_on_this_thread();
}

}  // namespace gmlp
