#pragma once
// The gradient of a batch that is cut into S equal shards, on R ranks.
//
// By definition it is a binary tree of additions over the shards' gradients g:
//
//   S = 4:  (g0 + g1) + (g2 + g3)
//
// S is a power of two that R divides. Rank r computes the shards [r S / R, (r + 1) S / R), which are
// a subtree, so the bits depend on S alone. The levels above are exchanged between pairs of ranks
// at distance 1, 2, 4, ...: each of the two adds up one half of what is left (reduce-scatter by
// halving), and the halves go back the same way (all-gather). A rank sends and receives
// 2 (R - 1) / R gradients in 2 log2(R) messages.
//
// Gradients travel in buckets, one per block and one for the rest. A block's bucket leaves while
// the backward of the blocks before it goes on.

#include <cstdint>
#include <utility>
#include <vector>

#include "apps/ranks/ranks.h"
#include "autograd/tape.h"

namespace gmlp {

class ShardedGradients {
 public:
  /// With several shards, the parameters' gradients become parts of one memory. Throws InputError
  /// unless `shards` is a power of two that the number of ranks divides.
  ShardedGradients(const std::vector<Parameter*>& parameters, int64_t shards);

  /// The shards of this rank: [first, end).
  int64_t first() const { return first_; }
  int64_t end() const { return end_; }

  /// In the last backward of the last shard: the gradients of a block are complete.
  void finish_block(int64_t block);
  /// After each shard's backward. After the last one, the parameters' gradients are the batch's, on
  /// all ranks; after the others they are zero.
  void finish_shard();

 private:
  /// Elements [begin, end) of the gradients, and how far their exchange is.
  struct Bucket {
    int64_t begin = 0, end = 0;
    int64_t own_begin = 0, own_end = 0;  // the part that this rank adds up, or has
    int64_t round = -1;                  // -1: not begun; then 2 log2(R) of them
    Exchange exchange;
  };
  void begin(Bucket& bucket);
  void next_round(Bucket& bucket);
  /// Goes on with what has arrived; or waits until all has.
  void progress(bool wait);
  void add(const Tensor& into, const Tensor& from, int64_t begin, int64_t end);
  std::pair<int64_t, int64_t> other_half(const Bucket& bucket, int64_t level) const;

  int64_t first_ = 0, end_ = 1;
  int64_t next_ = 0;       // the shard that finish_shard() will be called for
  int64_t levels_ = 0;     // log2(R)
  Tensor gradients_;       // of all parameters, by buckets
  Tensor received_;        // as gradients_
  // Sums of complete subtrees, the greatest first: (shards, gradients).
  std::vector<std::pair<int64_t, Tensor>> subtrees_;
  std::vector<Tensor> unused_;   // memory of former subtrees
  std::vector<Bucket> buckets_;  // the rest first, then the blocks
};

}  // namespace gmlp
