#pragma once
// Loader: shuffled, augmented, mixed batches, made ahead on a thread of its own. What a batch holds
// is a function of (seed, epoch, batch index) alone, so its whole state is those two integers.

#include <cstdint>
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
  double switch_prob = 0.5;  // of CutMix where both are on
  int prefetch = 2;          // batches made ahead
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
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int64_t batches_per_epoch() const;
  /// The next batch will be `index` of `epoch`.
  void seek(int64_t epoch, int64_t index);
  /// Waits for the next batch; after an epoch's last comes the first of the next. Rethrows what its
  /// making threw (an undecodable image, say).
  Batch next();
  /// Seconds that next() waited, in all.
  double wait_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One batch without a thread: samples indices[0..n), for evaluation, samples of the banner, tests.
Batch make_batch(const ImageDataset& dataset, const TransformOptions& transform,
                 const LoaderOptions& options, const std::vector<int64_t>& indices, int64_t epoch,
                 int64_t batch_index);

}  // namespace gmlp
