#include "apps/ranks/ranks.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#if GMLP_MPI
#  include <mpi.h>
#endif

#include "apps/cli/format.h"
#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

struct World {
  int64_t rank = 0, size = 1;
  std::vector<std::string> hosts;  // of the ranks
  double timeout = 0, waited = 0;
} g_world;

/// What the launchers of Open MPI, MPICH and Slurm tell the processes that they start.
int64_t started_ranks() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    if (const char* value = std::getenv(name)) return std::atoll(value);
  }
  return 1;
}

std::string name_of(int64_t rank) {
  return fmt::format("rank {} on {}", rank, g_world.hosts[static_cast<size_t>(rank)]);
}

}  // namespace

#if GMLP_MPI

namespace {

std::map<int, std::array<MPI_Request, 2>> g_exchanges;  // by tag: the receipt, the sending

/// Ends all ranks because a wait took too long. Those that wait tell each other, so the others are
/// the ones to name.
[[noreturn]] void end_silent_ranks() {
  const auto self = static_cast<size_t>(rank());
  const auto tag_of = [self](size_t other) { return 16384 + static_cast<int>(self ^ other); };
  std::vector<float> words(static_cast<size_t>(g_world.size));  // whose values mean nothing
  std::vector<bool> heard(words.size());
  heard[self] = true;
  for (size_t other = 0; other < words.size(); ++other) {
    if (other == self) continue;
    start_exchange(tag_of(other), static_cast<int64_t>(other), &words[self], &words[other],
                   sizeof(float));
  }
  const Stopwatch listening;
  while (listening.seconds() < 2 + g_world.timeout / 10) {
    for (size_t other = 0; other < heard.size(); ++other) {
      if (!heard[other] && is_exchange_done(tag_of(other))) heard[other] = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::string silent;
  for (size_t other = 0; other < heard.size(); ++other) {
    if (!heard[other]) silent += " from " + name_of(static_cast<int64_t>(other));
  }
  // The first of those that wait speaks for all.
  const bool speaks = std::ranges::find(heard, true) - heard.begin() == rank();
  if (!speaks) std::this_thread::sleep_for(std::chrono::seconds(5));
  end_all_ranks(1, fmt::format("error: no answer{} for {:g} s (--rank-timeout), so all ranks end; "
                               "see what became of it, then continue with --resume\n",
                               silent, g_world.timeout));
}

void wait_for(MPI_Request* requests, int count) {
  constexpr double kSpinSeconds = 1e-3;  // then it sleeps between looks, for other programs' sake
  const Stopwatch waiting;
  for (int done = 0;;) {
    MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE);
    const double seconds = waiting.seconds();
    if (done != 0) {
      g_world.waited += seconds;
      return;
    }
    if (g_world.timeout > 0 && seconds > g_world.timeout) end_silent_ranks();
    if (seconds > kSpinSeconds) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

/// `bytes` bytes of each rank.
std::string gather_bytes(const void* data, int64_t bytes) {
  std::string all(static_cast<size_t>(bytes * g_world.size), '\0');
  MPI_Request request = MPI_REQUEST_NULL;
  const int count = static_cast<int>(bytes);
  MPI_Iallgather(data, count, MPI_CHAR, all.data(), count, MPI_CHAR, MPI_COMM_WORLD, &request);
  wait_for(&request, 1);
  return all;
}

}  // namespace

void start_exchange(int tag, int64_t partner, const void* out, void* in, int64_t bytes) {
  MPI_Request* requests = g_exchanges[tag].data();
  // Counted in floats, so that a message of 2^31 bytes fits an int.
  const int count = static_cast<int>(bytes / 4), other = static_cast<int>(partner);
  MPI_Irecv(in, count, MPI_FLOAT, other, tag, MPI_COMM_WORLD, &requests[0]);
  MPI_Isend(out, count, MPI_FLOAT, other, tag, MPI_COMM_WORLD, &requests[1]);
}

bool is_exchange_done(int tag) {
  int done = 0;
  MPI_Testall(2, g_exchanges.at(tag).data(), &done, MPI_STATUSES_IGNORE);
  return done != 0;
}

void wait_for_exchange(int tag) {
  wait_for(g_exchanges.at(tag).data(), 2);
}

#else  // one rank alone calls none of these

namespace {
std::string gather_bytes(const void*, int64_t) {
  return "";
}
}  // namespace
void start_exchange(int, int64_t, const void*, void*, int64_t) {}
bool is_exchange_done(int) {
  return true;
}
void wait_for_exchange(int) {}

#endif

int64_t rank() {
  return g_world.rank;
}

int64_t rank_count() {
  return g_world.size;
}

void set_rank_timeout(double seconds) {
  g_world.timeout = seconds;
}

double take_rank_wait() {
  return std::exchange(g_world.waited, 0);
}

std::vector<double> gather_ranks(const std::vector<double>& values) {
  if (rank_count() == 1) return values;
  const int64_t bytes = std::ssize(values) * static_cast<int64_t>(sizeof(double));
  const std::string all = gather_bytes(values.data(), bytes);
  std::vector<double> result(all.size() / sizeof(double));
  std::memcpy(result.data(), all.data(), all.size());
  return result;
}

double max_over_ranks(double value) {
  return std::ranges::max(gather_ranks({value}));
}

double sum_over_ranks(double value) {
  double sum = 0;
  for (const double other : gather_ranks({value})) sum += other;
  return sum;
}

std::string describe_ranks() {
  std::map<std::string, int64_t> counts;
  for (const std::string& host : g_world.hosts) ++counts[host];
  std::string text;
  for (const auto& [host, count] : counts) {
    text += fmt::format("{}{} on {}", text.empty() ? "" : ", ", count, host);
  }
  return text;
}

void require_same_facts(const std::map<std::string, std::string>& facts) {
  std::string mine = json_line(facts);
  const double size = max_over_ranks(static_cast<double>(mine.size()));
  mine.resize(static_cast<size_t>(size), ' ');
  const std::string all = gather_bytes(mine.data(), std::ssize(mine));
  const Json root = parse_json(all.substr(0, mine.size()), "rank 0");
  for (const auto& [name, value] : facts) {
    const std::string other = root.value(name, "none");
    if (other == utf8_of(value)) continue;
    fail_input("{}: {} is {}, and rank 0 has {}; start all ranks with the same", name_of(rank()),
               name, value, other);
  }
  wait_for_ranks();  // else rank 0 would go on before the rank that differs has spoken
}

void start_ranks() {
  const int64_t started = started_ranks();
  if (started <= 1) return;
#if GMLP_MPI
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  int value = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &value);
  g_world.rank = value;
  MPI_Comm_size(MPI_COMM_WORLD, &value);
  g_world.size = value;
  refuse_if(started != g_world.size,
            "started as one of {} ranks, but its MPI sees {}; use the mpirun of the MPI that it "
            "was built with (for Slurm srun --mpi=pmix)",
            started, g_world.size);
  char host[MPI_MAX_PROCESSOR_NAME] = {};
  MPI_Get_processor_name(host, &value);
  const std::string all = gather_bytes(host, sizeof(host));
  for (int64_t i = 0; i < g_world.size; ++i) {
    g_world.hosts.emplace_back(all.c_str() + i * static_cast<int64_t>(sizeof(host)));
  }
  if (!is_root()) static_cast<void>(std::freopen("/dev/null", "w", stdout));
#else
  fail_input(
      "started as one of {} ranks, but built without MPI, so each would train a model of its own; "
      "build with -D GMLP_MPI=ON (./dev mpi)",
      started);
#endif
}

void finish_ranks() {
  if (rank_count() == 1) return;
  wait_for_ranks();
#if GMLP_MPI
  MPI_Finalize();
#endif
}

void end_all_ranks(int status, const std::string& message) {
  // Longer than mpirun needs to end the others after rank 0 has spoken.
  if (!is_root()) std::this_thread::sleep_for(std::chrono::seconds(3));
  std::fputs(message.c_str(), stderr);
#if GMLP_MPI
  MPI_Abort(MPI_COMM_WORLD, status);
#endif
  std::_Exit(status);
}

}  // namespace gmlp
