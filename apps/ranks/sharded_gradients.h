#pragma once
// The gradient of a batch that is cut into S equal shards, on p ranks.
//
// By definition it is a binary tree of additions over the shards' gradients g:
//
//   S = 4:  (g0 + g1) + (g2 + g3)
//
// S is a power of two that p divides. Rank r computes the shards [r S / p, (r + 1) S / p), which
// are a subtree, so the bits depend on S alone. The levels above are pairs of ranks at distance 1,
// 2, 4, ...: each of the two adds up one half of what is left (reduce-scatter by halving), and the
// sums come back the same way (all-gather). A rank sends 2 (p - 1) / p gradients in 2 log2(p)
// messages.
//
// Gradients travel in buckets, one per block and one for the rest. A block's bucket leaves while
// the backward of the blocks before it goes on.

#include <cstdint>
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

  /// During the last backward of a shard: the gradients of a block are complete.
  void finish_block(int64_t block);
  /// After that backward. After this rank's last shard the parameters' gradients are the batch's,
  /// on all ranks; after the others they are zero.
  void finish_shard();

 private:
  /// `size` elements of the gradients, and how far their exchange is.
  struct Bucket {
    int64_t begin = 0, size = 0;
    int64_t own_begin = 0, own_size = 0;  // what this rank adds up, then what it has the sums of
    int64_t round = -1;                   // of 2 log2(p); -1: not begun
    int tag = 0;                          // of its exchanges
  };
  bool is_done(const Bucket& bucket) const { return bucket.round == 2 * levels_; }
  void lay_out(const std::vector<Parameter*>& parameters);
  void keep_subtree();
  void begin(Bucket& bucket);
  void next_round(Bucket& bucket);
  void take_arrived();
  void add(const Tensor& terms, int64_t begin, int64_t size);

  int64_t first_ = 0, end_ = 1;
  int64_t shard_ = 0;             // whose backward is next
  int64_t levels_ = 0;            // log2(p)
  Tensor gradients_;              // of all parameters, by buckets
  Tensor received_;               // as gradients_
  std::vector<Bucket> buckets_;   // the rest, then the blocks; empty for one shard
  std::vector<Tensor> subtrees_;  // sums of 1, 2, 4, ... complete shards
};

}  // namespace gmlp
