#include "apps/ranks/sharded_gradients.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

/// 0 for the parameters of no block, k + 1 for "blocks.k.*".
size_t bucket_of(const Parameter& parameter) {
  constexpr const char* kPrefix = "blocks.";
  if (!parameter.name.starts_with(kPrefix)) return 0;
  return 1 + static_cast<size_t>(std::atoll(parameter.name.c_str() + 7));
}

char* address(const Tensor& tensor, int64_t element) {
  return static_cast<char*>(tensor.raw()) + element * dtype_size(tensor.dtype());
}

}  // namespace

ShardedGradients::ShardedGradients(const std::vector<Parameter*>& parameters, int64_t shards) {
  const int64_t ranks = rank_count();
  if (!std::has_single_bit(static_cast<uint64_t>(shards))) {
    fail_input("--shards {}: use a power of two", shards);
  }
  if (shards % ranks != 0) {
    fail_input("--shards {}: {} ranks cannot share them; use a power of two of ranks, and --shards "
               "{} or a multiple",
               shards, ranks, std::bit_ceil(static_cast<uint64_t>(ranks)));
  }
  first_ = next_ = shards / ranks * rank();
  end_ = first_ + shards / ranks;
  if (shards == 1) return;
  levels_ = std::countr_zero(static_cast<uint64_t>(ranks));
  // Parameters start at cache lines, and a bucket can be halved for every level.
  const int64_t alignment = 16, halved = alignment * ranks;
  std::vector<int64_t> begins(parameters.size());
  int64_t size = 0;
  for (const Parameter* parameter : parameters) {
    buckets_.resize(std::max(buckets_.size(), bucket_of(*parameter) + 1));
  }
  for (size_t b = 0; b < buckets_.size(); ++b) {
    buckets_[b].begin = size;
    for (size_t i = 0; i < parameters.size(); ++i) {
      if (bucket_of(*parameters[i]) != b) continue;
      begins[i] = size;
      size += chunk_count(parameters[i]->grad.elements(), alignment) * alignment;
    }
    size = chunk_count(size, halved) * halved;
    buckets_[b].end = size;
  }
  gradients_ = Tensor::zeros(parameters.front()->grad.dtype(), {size});
  if (ranks > 1) received_ = Tensor::zeros(gradients_.dtype(), {size});
  for (size_t i = 0; i < parameters.size(); ++i) {
    Tensor& grad = parameters[i]->grad;
    grad = gradients_.rows(begins[i], begins[i] + grad.elements()).reshaped(grad.shape());
  }
}

void ShardedGradients::add(const Tensor& into, const Tensor& from, int64_t begin, int64_t end) {
  constexpr int64_t kRange = 1 << 15;
  dispatch_dtype(into.dtype(), [&]<typename T>() {
    T* sum = into.data<T>() + begin;
    const T* term = from.data<T>() + begin;
    parallel_ranges(end - begin, kRange, [&](int64_t a, int64_t b) {
      for (int64_t i = a; i < b; ++i) sum[i] += term[i];
    });
  });
}

void ShardedGradients::finish_block(int64_t block) {
  if (buckets_.empty() || next_ + 1 != end_) return;
  begin(buckets_[static_cast<size_t>(block) + 1]);
  progress(false);
}

void ShardedGradients::finish_shard() {
  ++next_;
  if (buckets_.empty()) {
    next_ = first_;
    return;
  }
  if (next_ < end_) {
    // As a carry of a binary counter: two subtrees of equal size become one.
    int64_t shards = 1;
    const int64_t size = gradients_.elements();
    while (!subtrees_.empty() && subtrees_.back().first == shards) {
      add(gradients_, subtrees_.back().second, 0, size);
      unused_.push_back(subtrees_.back().second);
      subtrees_.pop_back();
      shards *= 2;
    }
    if (unused_.empty()) unused_.push_back(Tensor::zeros(gradients_.dtype(), {size}));
    unused_.back().copy_from(gradients_);
    subtrees_.emplace_back(shards, unused_.back());
    unused_.pop_back();
    gradients_.fill(0);
    return;
  }
  for (Bucket& bucket : buckets_) {
    if (bucket.round < 0) begin(bucket);
  }
  progress(true);
  for (Bucket& bucket : buckets_) bucket.round = -1;
  for (const auto& [shards, gradients] : subtrees_) unused_.push_back(gradients);
  subtrees_.clear();
  next_ = first_;
}

void ShardedGradients::begin(Bucket& bucket) {
  // The last shard completes all subtrees of this rank, from the smallest on.
  for (auto subtree = subtrees_.rbegin(); subtree != subtrees_.rend(); ++subtree) {
    add(gradients_, subtree->second, bucket.begin, bucket.end);
  }
  bucket.own_begin = bucket.begin;
  bucket.own_end = bucket.end;
  bucket.round = -1;
  next_round(bucket);
}

/// The half of the own part that the partner at `level` adds up.
std::pair<int64_t, int64_t> ShardedGradients::other_half(const Bucket& bucket,
                                                         int64_t level) const {
  const int64_t middle = (bucket.own_begin + bucket.own_end) / 2;
  const bool upper = ((rank() >> level) & 1) != 0;
  return upper ? std::pair(bucket.own_begin, middle) : std::pair(middle, bucket.own_end);
}

void ShardedGradients::next_round(Bucket& bucket) {
  const int64_t round = ++bucket.round;
  if (round == 2 * levels_) return;
  const bool reduces = round < levels_;
  const int64_t level = reduces ? round : 2 * levels_ - 1 - round;
  const int64_t partner = rank() ^ (int64_t{1} << level);
  const int tag = static_cast<int>(&bucket - buckets_.data());
  if (reduces) {
    const auto [begin, end] = other_half(bucket, level);
    // What stays is the other one of the two halves.
    if (begin == bucket.own_begin) {
      bucket.own_begin = end;
    } else {
      bucket.own_end = begin;
    }
    bucket.exchange.start(partner, tag, address(gradients_, begin),
                          address(received_, bucket.own_begin),
                          (end - begin) * dtype_size(gradients_.dtype()));
    return;
  }
  const int64_t size = bucket.own_end - bucket.own_begin;
  const bool upper = ((rank() >> level) & 1) != 0;
  const int64_t sibling = upper ? bucket.own_begin - size : bucket.own_end;
  bucket.exchange.start(partner, tag, address(gradients_, bucket.own_begin),
                        address(gradients_, sibling), size * dtype_size(gradients_.dtype()));
}

void ShardedGradients::progress(bool wait) {
  // All ranks wait for the buckets in the same order, so none waits for a rank that waits for it.
  for (bool open = true; open;) {
    open = false;
    bool waited = !wait;
    for (Bucket& bucket : buckets_) {
      if (bucket.round < 0 || bucket.round == 2 * levels_) continue;
      if (!std::exchange(waited, true)) bucket.exchange.wait();
      if (bucket.exchange.is_done()) {
        if (bucket.round < levels_) add(gradients_, received_, bucket.own_begin, bucket.own_end);
        if (bucket.round >= levels_) {
          const int64_t level = 2 * levels_ - 1 - bucket.round;
          const int64_t size = bucket.own_end - bucket.own_begin;
          const bool upper = ((rank() >> level) & 1) != 0;
          if (upper) bucket.own_begin -= size; else bucket.own_end += size;
        }
        next_round(bucket);
      }
      open = open || (wait && bucket.round < 2 * levels_);
    }
  }
}

}  // namespace gmlp
