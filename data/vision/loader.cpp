// How a batch is made, then the queue of batches that other threads make ahead.
#include "data/vision/loader.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace gmlp {
namespace {

/// How a batch is mixed: image i with image B - 1 - i, as in timm's batch mode.
struct Mix {
  double lambda = 1;  // the share of image i
  CropBox box;        // CutMix: the part that is the other image's. MixUp: empty
};

/// Drawn once per batch and keyed by its place, so that batches are independent.
Mix draw_mix(const LoaderOptions& options, int64_t height, int64_t width, int64_t epoch,
             int64_t batch_index) {
  Mix mix;
  if (!options.train || (options.mixup <= 0 && options.cutmix <= 0)) return mix;
  Random random(options.seed, Purpose::kMix, static_cast<uint64_t>(epoch),
                static_cast<uint64_t>(batch_index));
  const bool cutmix =
      options.cutmix > 0 && (options.mixup <= 0 || random.uniform() < options.switch_prob);
  const double alpha = cutmix ? options.cutmix : options.mixup;
  mix.lambda = random.beta(alpha, alpha);
  if (!cutmix) return mix;
  // A box of 1 - lambda of the area around a uniform center. Clipping it increases lambda.
  const double side = std::sqrt(1 - mix.lambda);
  const auto draw_range = [&](int64_t size, int64_t& begin, int64_t& length) {
    const int64_t half = static_cast<int64_t>(static_cast<double>(size) * side) / 2;
    const int64_t center = random.below(size);
    begin = std::max<int64_t>(0, center - half);
    length = std::min(size, center + half) - begin;
  };
  draw_range(height, mix.box.top, mix.box.height);
  draw_range(width, mix.box.left, mix.box.width);
  mix.lambda =
      1 - static_cast<double>(mix.box.height * mix.box.width) / static_cast<double>(height * width);
  return mix;
}

/// Both images of each pair at once, in place.
void mix_images(const Mix& mix, const Tensor& images) {
  const CropBox& box = mix.box;
  const int64_t batch = images.shape()[0];
  const int64_t width = images.shape()[3];
  const int64_t rows = images.shape()[1] * images.shape()[2];
  const float own = static_cast<float>(mix.lambda);
  const float other = static_cast<float>(1 - mix.lambda);
  for (int64_t i = 0; i < batch / 2; ++i) {
    float* a = images.data<float>() + i * rows * width;
    float* b = images.data<float>() + (batch - 1 - i) * rows * width;
    for (int64_t row = 0; row < rows; ++row, a += width, b += width) {
      const int64_t y = row % images.shape()[2];
      if (y >= box.top && y < box.top + box.height) {
        std::swap_ranges(a + box.left, a + box.left + box.width, b + box.left);
      }
      for (int64_t x = 0; box.height == 0 && x < width; ++x) {
        const float value = a[x];
        a[x] = own * value + other * b[x];
        b[x] = own * b[x] + other * value;
      }
    }
  }
}

/// Smoothing s over C classes: s / C everywhere, 1 - s more at the label. Mixed as the images are.
void write_targets(const Mix& mix, const LoaderOptions& options, const std::vector<int64_t>& labels,
                   const Tensor& targets) {
  const int64_t classes = targets.shape()[1];
  const double smoothing = options.train ? options.smoothing : 0;
  const float own = static_cast<float>(mix.lambda * (1 - smoothing));
  const float other = static_cast<float>((1 - mix.lambda) * (1 - smoothing));
  float* out = targets.data<float>();
  std::fill_n(out, targets.elements(),
              static_cast<float>(smoothing / static_cast<double>(classes)));
  for (size_t i = 0; i < labels.size(); ++i, out += classes) {
    out[labels[i]] += own;
    out[labels[labels.size() - 1 - i]] += other;
  }
}

}  // namespace

Batch make_batch(const ImageDataset& dataset, const TransformOptions& transform,
                 const LoaderOptions& options, const std::vector<int64_t>& indices, int64_t epoch,
                 int64_t batch_index) {
  const int64_t count = std::ssize(indices);
  const int64_t classes = std::ssize(dataset.class_names);
  Batch batch;
  batch.epoch = epoch;
  batch.index = batch_index;
  batch.images =
      Tensor::zeros(DType::kF32, {count, transform.channels, transform.height, transform.width});
  batch.targets = Tensor::zeros(DType::kF32, {count, classes});
  float* out = batch.images.data<float>();
  for (const int64_t index : indices) {
    // Keyed by the sample, not by its place in the batch.
    Random random(options.seed, Purpose::kAugment, static_cast<uint64_t>(epoch),
                  static_cast<uint64_t>(index));
    const Image image = dataset.image(index, photo_form(transform, options.train));
    transform_image(image, transform, options.train ? &random : nullptr, out);
    out += transform.channels * transform.height * transform.width;
    batch.labels.push_back(dataset.label(index));
  }
  const Mix mix = draw_mix(options, transform.height, transform.width, epoch, batch_index);
  if (mix.lambda < 1) mix_images(mix, batch.images);
  write_targets(mix, options, batch.labels, batch.targets);
  return batch;
}

Loader::Loader(std::shared_ptr<const ImageDataset> dataset, const TransformOptions& transform,
               const LoaderOptions& options)
    : dataset_(std::move(dataset)), transform_(transform), options_(options) {
  const int64_t size = dataset_->size();
  refuse_if(size < 1, "the data set holds no images; check --data");
  refuse_if(options.batch_size < 1, "--batch-size {}: use at least 1", options.batch_size);
  options_.batch_size = std::min(options.batch_size, size);
  batches_ = options.train ? size / options_.batch_size : (size - 1) / options_.batch_size + 1;
  order_.resize(static_cast<size_t>(size));
}

/// The samples of a batch.
std::vector<int64_t> Loader::samples(int64_t epoch, int64_t index) {
  const int64_t size = std::ssize(order_);
  if (order_epoch_ != epoch) {
    std::iota(order_.begin(), order_.end(), int64_t{0});
    if (options_.train && options_.shuffle) {
      shuffle_indices(order_.data(), size, options_.seed, Purpose::kShuffle,
                      static_cast<uint64_t>(epoch));
    }
    order_epoch_ = epoch;
  }
  const int64_t begin = index * options_.batch_size;
  return {order_.begin() + begin, order_.begin() + std::min(begin + options_.batch_size, size)};
}

/// Starts a task per batch to prefetch. Each task waits for the one `workers` batches before, so
/// that so many run at a time. They use no OpenMP, whose threads belong to the computation.
void Loader::prefetch() {
  const size_t workers = static_cast<size_t>(std::max<int64_t>(1, options_.workers));
  for (; pending_.size() <= workers; ++next_) {
    const int64_t epoch = next_ / batches_, index = next_ % batches_;
    const int64_t place = index % options_.part_of;
    if (place < options_.part_begin || place >= options_.part_end) continue;
    std::shared_future<Batch> previous;
    if (pending_.size() >= workers) previous = pending_[pending_.size() - workers];
    const auto task = [this, previous, epoch, index, samples = samples(epoch, index),
                       generation = generation_.load()]() mutable {
      if (previous.valid()) previous.wait();
      previous = {};  // else each batch would keep all earlier ones alive
      if (generation != generation_) return Batch();
      return make_batch(*dataset_, transform_, options_, samples, epoch, index);
    };
    pending_.push_back(std::async(std::launch::async, task));
  }
}

void Loader::seek(int64_t epoch, int64_t index) {
  require(epoch >= 0 && index >= 0, "Loader::seek: a negative position");
  ++generation_;
  pending_.clear();
  next_ = epoch * batches_ + index;
}

Batch Loader::next() {
  prefetch();
  Batch batch = pending_.front().get();
  pending_.pop_front();
  prefetch();
  return batch;
}

}  // namespace gmlp
