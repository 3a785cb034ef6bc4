// The loader's thread walks (epoch, index) and puts finished batches in a queue of `prefetch`;
// next() takes them out. seek() bumps a generation: a batch begun before it is dropped when it is
// done.
#include "data/vision/loader.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "core/error.h"

namespace gmlp {
namespace {

/// How a batch is mixed: image i with image B - 1 - i, as in timm's batch mode.
struct Mix {
  double lambda = 1;  // the share of image i
  bool box = false;   // CutMix: rows [top, bottom), columns [left, right) come from the other one
  int64_t top = 0, bottom = 0, left = 0, right = 0;
};

/// Whether, how and how much; one draw a batch, keyed by its place, so that no batch knows another.
Mix draw_mix(const LoaderOptions& options, int64_t height, int64_t width, int64_t epoch,
             int64_t batch_index) {
  Mix mix;
  if (!options.train || (options.mixup <= 0 && options.cutmix <= 0)) return mix;
  Random random(options.seed, Purpose::kMix, static_cast<uint64_t>(epoch),
                static_cast<uint64_t>(batch_index));
  mix.box = options.cutmix > 0 && (options.mixup <= 0 || random.uniform() < options.switch_prob);
  const double alpha = mix.box ? options.cutmix : options.mixup;
  mix.lambda = random.beta(alpha, alpha);
  if (!mix.box) return mix;
  // A box of 1 - lambda of the area around a uniform centre; what leaves the image gives lambda
  // back.
  const double side = std::sqrt(1 - mix.lambda);
  const int64_t half_height = static_cast<int64_t>(static_cast<double>(height) * side) / 2;
  const int64_t half_width = static_cast<int64_t>(static_cast<double>(width) * side) / 2;
  const int64_t y = random.below(height);
  const int64_t x = random.below(width);
  mix.top = std::max<int64_t>(0, y - half_height);
  mix.bottom = std::min(height, y + half_height);
  mix.left = std::max<int64_t>(0, x - half_width);
  mix.right = std::min(width, x + half_width);
  const int64_t area = (mix.bottom - mix.top) * (mix.right - mix.left);
  mix.lambda = 1 - static_cast<double>(area) / static_cast<double>(height * width);
  return mix;
}

/// Both images of every pair at once, in place.
void mix_images(const Mix& mix, const Tensor& images) {
  const int64_t batch = images.shape()[0];
  const int64_t height = images.shape()[2];
  const int64_t width = images.shape()[3];
  const int64_t size = images.elements() / batch;
  const float own = static_cast<float>(mix.lambda);
  const float other = static_cast<float>(1 - mix.lambda);
  for (int64_t i = 0; i < batch / 2; ++i) {
    float* a = images.data<float>() + i * size;
    float* b = images.data<float>() + (batch - 1 - i) * size;
    if (!mix.box) {
      for (int64_t k = 0; k < size; ++k) {
        const float value = a[k];
        a[k] = own * value + other * b[k];
        b[k] = own * b[k] + other * value;
      }
      continue;
    }
    for (int64_t plane = 0; plane < size; plane += height * width) {
      for (int64_t y = mix.top; y < mix.bottom; ++y) {
        float* row = a + plane + y * width;
        std::swap_ranges(row + mix.left, row + mix.right, b + plane + y * width + mix.left);
      }
    }
  }
}

/// Smoothing s over K classes: s / K everywhere, 1 - s more at the label; then mixed as the images.
void write_targets(const Mix& mix, const LoaderOptions& options, const std::vector<int64_t>& labels,
                   const Tensor& targets) {
  const int64_t classes = targets.shape()[1];
  const double smoothing = options.train ? options.smoothing : 0;
  const float off = static_cast<float>(smoothing / static_cast<double>(classes));
  const float own = static_cast<float>(mix.lambda * (1 - smoothing));
  const float other = static_cast<float>((1 - mix.lambda) * (1 - smoothing));
  float* out = targets.data<float>();
  std::fill(out, out + targets.elements(), off);
  for (size_t i = 0; i < labels.size(); ++i, out += classes) {
    out[labels[i]] += own;
    out[labels[labels.size() - 1 - i]] += other;
  }
}

}  // namespace

Batch make_batch(const ImageDataset& dataset, const TransformOptions& transform,
                 const LoaderOptions& options, const std::vector<int64_t>& indices, int64_t epoch,
                 int64_t batch_index) {
  const int64_t count = static_cast<int64_t>(indices.size());
  const int64_t classes = static_cast<int64_t>(dataset.class_names().size());
  const Shape shape{count, transform.channels, transform.height, transform.width};
  Batch batch;
  batch.epoch = epoch;
  batch.index = batch_index;
  batch.images = Tensor::zeros(DType::kF32, shape);
  batch.targets = Tensor::zeros(DType::kF32, {count, classes});
  float* out = batch.images.data<float>();
  // A sample's augmentation is keyed by the sample, not by its place in the batch.
  for (const int64_t index : indices) {
    Random random(options.seed, Purpose::kAugment, static_cast<uint64_t>(epoch),
                  static_cast<uint64_t>(index));
    transform_image(dataset.image(index), transform, options.train ? &random : nullptr, out);
    out += transform.channels * transform.height * transform.width;
    batch.labels.push_back(dataset.label(index));
  }
  const Mix mix = draw_mix(options, transform.height, transform.width, epoch, batch_index);
  if (mix.lambda < 1) mix_images(mix, batch.images);
  write_targets(mix, options, batch.labels, batch.targets);
  return batch;
}

struct Loader::State {
  std::shared_ptr<const ImageDataset> dataset;
  TransformOptions transform;
  LoaderOptions options;
  int64_t batches = 0;  // in an epoch

  std::mutex mutex;  // guards all below but `order`, which is the thread's own
  std::condition_variable changed;
  struct Item {
    Batch batch;
    std::exception_ptr error;
  };
  std::deque<Item> ready;
  int64_t epoch = 0;  // of the batch to make next
  int64_t index = 0;
  int64_t generation = 0;
  bool failed = false;  // nothing more is made until a seek
  bool stopped = false;
  double waited = 0;

  // The thread's own: the epoch's order, made when the epoch is entered.
  std::vector<int64_t> order;
  int64_t order_epoch = -1;
  std::thread thread;

  /// Without the lock. Whatever is thrown travels in the item.
  Item make(int64_t at_epoch, int64_t at_index) {
    Item item;
    try {
      if (order_epoch != at_epoch) {
        if (options.train && options.shuffle) {
          shuffle_indices(order.data(), static_cast<int64_t>(order.size()), options.seed,
                          Purpose::kShuffle, static_cast<uint64_t>(at_epoch));
        } else {
          std::iota(order.begin(), order.end(), int64_t{0});
        }
        order_epoch = at_epoch;
      }
      const int64_t begin = at_index * options.batch_size;
      const int64_t end = std::min(begin + options.batch_size, static_cast<int64_t>(order.size()));
      const std::vector<int64_t> indices(order.begin() + begin, order.begin() + end);
      item.batch = make_batch(*dataset, transform, options, indices, at_epoch, at_index);
    } catch (...) {
      item.error = std::current_exception();
    }
    return item;
  }

  /// The thread: plain code, no OpenMP, whose threads belong to the computation.
  void run() {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(lock, [&] {
        const bool room = ready.size() < static_cast<size_t>(std::max(1, options.prefetch));
        return stopped || (!failed && room);
      });
      if (stopped) return;
      const int64_t mine = generation;
      const int64_t at_epoch = epoch;
      const int64_t at_index = index;
      lock.unlock();
      Item item = make(at_epoch, at_index);
      lock.lock();
      if (mine != generation) continue;  // a seek came in between: this batch is nobody's
      failed = item.error != nullptr;
      ready.push_back(std::move(item));
      if (++index == batches) {
        index = 0;
        ++epoch;
      }
      changed.notify_all();
    }
  }
};

Loader::Loader(std::shared_ptr<const ImageDataset> dataset, const TransformOptions& transform,
               const LoaderOptions& options)
    : state_(std::make_unique<State>()) {
  // A batch larger than the set is the set.
  const int64_t size = dataset->size();
  if (size < 1) fail_input("the data set holds no images; check --data");
  if (options.batch_size < 1) {
    fail_input("--batch-size {}: must be at least 1", options.batch_size);
  }
  state_->dataset = std::move(dataset);
  state_->transform = transform;
  state_->options = options;
  state_->options.batch_size = std::min(options.batch_size, size);
  state_->batches = options.train ? size / state_->options.batch_size
                                  : (size - 1) / state_->options.batch_size + 1;
  state_->order.resize(static_cast<size_t>(size));
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

Loader::~Loader() {
  {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    state_->stopped = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

int64_t Loader::batches_per_epoch() const {
  return state_->batches;
}

void Loader::seek(int64_t epoch, int64_t index) {
  require(epoch >= 0 && index >= 0, "Loader::seek: a negative position");
  const std::lock_guard<std::mutex> lock(state_->mutex);
  // The position after an epoch's last batch is the next one's first.
  state_->epoch = epoch + index / state_->batches;
  state_->index = index % state_->batches;
  state_->ready.clear();
  state_->failed = false;
  ++state_->generation;
  state_->changed.notify_all();
}

Batch Loader::next() {
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  std::unique_lock<std::mutex> lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->ready.empty(); });
  state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // An error stays in front: asking again gives it again.
  if (state_->ready.front().error) std::rethrow_exception(state_->ready.front().error);
  Batch batch = std::move(state_->ready.front().batch);
  state_->ready.pop_front();
  state_->changed.notify_all();
  return batch;
}

double Loader::wait_seconds() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->waited;
}

}  // namespace gmlp
