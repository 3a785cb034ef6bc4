#include "apps/ranks/sharded_gradients.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "core/parallel.h"

namespace gmlp {

namespace {

/// k + 1 for "blocks.k.*", 0 for the other parameters.
size_t bucket_of(const Parameter& parameter) {
  constexpr size_t kPrefix = 7;  // of "blocks."
  if (!parameter.name.starts_with("blocks.")) return 0;
  return 1 + static_cast<size_t>(std::atoll(parameter.name.c_str() + kPrefix));
}

char* address(const Tensor& tensor, int64_t element) {
  return static_cast<char*>(tensor.raw()) + element * dtype_size(tensor.dtype());
}

}  // namespace

ShardedGradients::ShardedGradients(const std::vector<Parameter*>& parameters, int64_t shards) {
  const uint64_t ranks = static_cast<uint64_t>(rank_count());
  refuse_if(!std::has_single_bit(static_cast<uint64_t>(shards)), "--shards {}: use a power of two",
            shards);
  refuse_if(shards % rank_count() != 0,
            "--shards {}: {} ranks cannot share them; use a power of two of ranks, and --shards "
            "{} or a multiple",
            shards, ranks, std::bit_ceil(ranks));
  first_ = shard_ = shards / rank_count() * rank();
  end_ = first_ + shards / rank_count();
  levels_ = std::countr_zero(ranks);
  if (shards > 1) lay_out(parameters);
}

/// Parameters begin at cache lines, and every bucket can be halved on each level.
void ShardedGradients::lay_out(const std::vector<Parameter*>& parameters) {
  constexpr int64_t kLine = 16;
  for (const Parameter* parameter : parameters) {
    if (bucket_of(*parameter) >= buckets_.size()) buckets_.resize(bucket_of(*parameter) + 1);
  }
  std::vector<int64_t> begins(parameters.size());
  int64_t size = 0;
  for (size_t b = 0; b < buckets_.size(); ++b) {
    buckets_[b].tag = static_cast<int>(b);
    buckets_[b].begin = size;
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (bucket_of(*parameters[i]) != b) continue;
      begins[i] = size;
      size += chunk_count(parameters[i]->grad.elements(), kLine) * kLine;
    }
    size = chunk_count(size, kLine * rank_count()) * kLine * rank_count();
    buckets_[b].size = size - buckets_[b].begin;
  }
  gradients_ = Tensor::zeros(parameters.front()->grad.dtype(), {size});
  if (levels_ > 0) received_ = Tensor::zeros(gradients_.dtype(), {size});
  for (int64_t shards = 1; first_ + shards < end_; shards *= 2) {
    subtrees_.push_back(Tensor::zeros(gradients_.dtype(), {size}));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    Tensor& grad = parameters[i]->grad;
    grad = gradients_.rows(begins[i], begins[i] + grad.elements()).reshaped(grad.shape());
  }
}

void ShardedGradients::add(const Tensor& terms, int64_t begin, int64_t size) {
  constexpr int64_t kRange = 1 << 15;
  dispatch_dtype(gradients_.dtype(), [&]<typename T>() {
    T* sum = gradients_.data<T>() + begin;
    const T* term = terms.data<T>() + begin;
    parallel_ranges(size, kRange, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) sum[i] += term[i];
    });
  });
}

void ShardedGradients::finish_block(int64_t block) {
  if (buckets_.empty() || shard_ + 1 != end_) return;
  begin(buckets_[static_cast<size_t>(block) + 1]);
  take_arrived();
}

void ShardedGradients::finish_shard() {
  if (++shard_ < end_) return keep_subtree();
  shard_ = first_;
  for (Bucket& bucket : buckets_) {
    if (bucket.round < 0) begin(bucket);
  }
  // All ranks wait for the buckets in this order, so none waits for a rank that waits for it.
  for (Bucket& bucket : buckets_) {
    while (!is_done(bucket)) {
      wait_for_exchange(bucket.tag);
      take_arrived();
    }
    bucket.round = -1;
  }
}

/// As a binary counter carries: where a subtree is kept, the new one is added to it and moves up.
void ShardedGradients::keep_subtree() {
  const auto level = static_cast<size_t>(std::countr_zero(static_cast<uint64_t>(shard_ - first_)));
  for (size_t i = 0; i < level; ++i) add(subtrees_[i], 0, gradients_.elements());
  subtrees_[level].copy_from(gradients_);
  gradients_.fill(0);
}

void ShardedGradients::begin(Bucket& bucket) {
  // This rank's last shard completes its subtrees, from the smallest on.
  for (const Tensor& subtree : subtrees_) add(subtree, bucket.begin, bucket.size);
  bucket.own_begin = bucket.begin;
  bucket.own_size = bucket.size;
  next_round(bucket);
}

void ShardedGradients::next_round(Bucket& bucket) {
  ++bucket.round;
  if (is_done(bucket)) return;
  const bool reduces = bucket.round < levels_;
  const int64_t level = reduces ? bucket.round : 2 * levels_ - 1 - bucket.round;
  const int64_t partner = rank() ^ (int64_t{1} << level);
  const bool upper = partner < rank();  // of two halves this rank has the upper one
  const int64_t size = reduces ? bucket.own_size / 2 : bucket.own_size;
  const int64_t mine = bucket.own_begin + (reduces && upper ? size : 0);
  const int64_t other = upper ? mine - size : mine + size;
  char* out = address(gradients_, reduces ? other : mine);
  char* in = reduces ? address(received_, mine) : address(gradients_, other);
  start_exchange(bucket.tag, partner, out, in, size * dtype_size(gradients_.dtype()));
  bucket.own_begin = reduces ? mine : std::min(mine, other);
  bucket.own_size = reduces ? size : 2 * size;
}

void ShardedGradients::take_arrived() {
  for (Bucket& bucket : buckets_) {
    while (bucket.round >= 0 && !is_done(bucket) && is_exchange_done(bucket.tag)) {
      if (bucket.round < levels_) add(received_, bucket.own_begin, bucket.own_size);
      next_round(bucket);
    }
  }
}

}  // namespace gmlp
