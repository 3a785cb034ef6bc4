#pragma once
// Shuffled, augmented and mixed batches, prefetched by other threads. A batch is a function of
// (seed, epoch, index) alone: the last two are the loader's whole state.

#include <atomic>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <vector>

#include "core/tensor.h"
#include "data/vision/dataset.h"
#include "data/vision/transform.h"

namespace gmlp {

struct LoaderOptions {
  int64_t batch_size = 128;
  uint64_t seed = 0;
  bool train = true;  // shuffle, augment, mix, and drop the last partial batch
  bool shuffle = true;
  double smoothing = 0;  // label smoothing, in the soft targets
  double mixup = 0;      // Beta(a, a) parameters; 0 is off (Zhang et al. 2018, Yun et al. 2019)
  double cutmix = 0;
  double switch_prob = 0.5;  // probability of CutMix when both are enabled
  int64_t workers = 1;       // threads that make batches ahead; any number makes the same ones
  // Of every `part_of` batches only those from `part_begin` to `part_end` are made: a rank's.
  int64_t part_of = 1, part_begin = 0, part_end = 1;
};

struct Batch {
  Tensor images;                // (B, C, H, W) f32
  std::vector<int64_t> labels;  // B, of the unmixed images
  Tensor targets;               // (B, classes) f32 soft targets, rows sum to 1
  int64_t epoch = 0;
  int64_t index = 0;  // within the epoch
};

class Loader {
 public:
  Loader(std::shared_ptr<const ImageDataset> dataset, const TransformOptions& transform,
         const LoaderOptions& options);
  ~Loader() { ++generation_; }

  int64_t batches_per_epoch() const { return batches_; }
  /// The next batch will be `index` of `epoch`.
  void seek(int64_t epoch, int64_t index);
  /// Waits for the next batch, after the last of an epoch for the first of the next. Rethrows what
  /// making it threw (an undecodable image, for example), and so does each call until a seek.
  Batch next();

 private:
  void prefetch();
  std::vector<int64_t> samples(int64_t epoch, int64_t index);

  std::shared_ptr<const ImageDataset> dataset_;
  TransformOptions transform_;
  LoaderOptions options_;
  int64_t batches_ = 0;  // per epoch
  int64_t next_ = 0;     // the batch to prefetch next, counted from the first epoch's first
  std::atomic<int64_t> generation_ = 0;  // counts seeks: batches of older generations are skipped
  std::vector<int64_t> order_;           // the samples of order_epoch_
  int64_t order_epoch_ = -1;
  std::deque<std::shared_future<Batch>> pending_;  // destroyed first, which waits for the tasks
};

/// One batch without a thread, of the samples in `indices`: for evaluation and tests.
Batch make_batch(const ImageDataset& dataset, const TransformOptions& transform,
                 const LoaderOptions& options, const std::vector<int64_t>& indices, int64_t epoch,
                 int64_t batch_index);

}  // namespace gmlp
