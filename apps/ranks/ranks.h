#pragma once
// Ranks: the processes that `mpirun -n p` starts to train one model together. A program that was
// started alone, or built without MPI, is rank 0 of 1, and every call here returns at once.
//
// Only the main thread calls these functions, and all ranks call the same ones in the same order.
// A wait that takes longer than set_rank_timeout() ends all ranks with a message that names those
// that did not answer.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gmlp {

/// Joins the ranks if mpirun has started this process. The standard output of all but rank 0 goes
/// nowhere. Throws InputError if several processes were started that cannot find each other: the
/// program was built without MPI, or with another one than mpirun's.
void start_ranks();
/// Waits for the others and leaves.
void finish_ranks();
/// Prints `message` and ends all ranks with `status`. Ranks other than 0 wait first: rank 0 ends
/// them if it has the same error, which is then told once.
[[noreturn]] void end_all_ranks(int status, const std::string& message);

int64_t rank();
int64_t rank_count();
inline bool is_root() {
  return rank() == 0;
}

/// Of each wait, in seconds; 0 is for ever.
void set_rank_timeout(double seconds);
/// What this rank has waited for others since the last call, in seconds.
double take_rank_wait();

/// The same number of values of each rank, in rank order, on all ranks.
std::vector<double> gather_ranks(const std::vector<double>& values);
/// The largest of the ranks' values.
double max_over_ranks(double value);
double sum_over_ranks(double value);
inline void wait_for_ranks() {
  max_over_ranks(0);
}
/// "2 on node1, 2 on node2", on all ranks.
std::string describe_ranks();
/// Throws InputError on a rank where a fact is another than on rank 0, naming it.
void require_same_facts(const std::map<std::string, std::string>& facts);

/// Begins an exchange, in the background: a message from this rank to `partner` and one of equal
/// size back. Both buffers must live until the exchange of this `tag` is done.
void start_exchange(int tag, int64_t partner, const void* out, void* in, int64_t bytes);
bool is_exchange_done(int tag);
void wait_for_exchange(int tag);

}  // namespace gmlp
