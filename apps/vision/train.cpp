// VisionTask: batches of images, a vision gMLP and its loss. The loop around it is
// apps/train/trainer.cpp.

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/train/pictures.h"
#include "apps/vision/commands.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr int64_t kLargeImage = 128;       // from here on random crops have timm's scale
constexpr double kLargeImageCrop = 0.875;  // timm's crop_pct of gMLP

/// "boot", or of a mixed sample "70% boot 30% bag".
std::string target_text(const Tensor& targets, int64_t row, const std::vector<std::string>& names) {
  std::vector<std::pair<double, size_t>> shares;
  const int64_t classes = targets.shape().cols();
  for (int64_t c = 0; c < classes; ++c) {
    shares.emplace_back(targets.at(row * classes + c), static_cast<size_t>(c));
  }
  std::ranges::stable_sort(shares, [](const auto& a, const auto& b) { return a.first > b.first; });
  // Smoothing gives every class the same share; what exceeds it was mixed in.
  const double floor = shares.back().first;
  std::string first = printable(names[shares[0].second]);
  if (shares.size() < 2 || shares[1].first - floor < 0.02) return first;
  return fmt::format("{:.0f}% {} {:.0f}% {}", 100 * shares[0].first, first, 100 * shares[1].first,
                     printable(names[shares[1].second]));
}

class VisionTask : public TrainingTask {
 public:
  explicit VisionTask(const VisionOptions& options) : TrainingTask(options), options_(options) {
    // A resumed run takes its model from its checkpoint: what --model named may be gone.
    if (setup.resumed()) options_.model = setup.checkpoint;
    info.inputs = {options_.model, options_.init,
                   options_.data.substr(options_.data.find(':') + 1)};
    open_data();
    build_model();
    build_loader();
    classifier_.config = config_json(classifier_);
    fill_info();
  }

  /// Those of the command, with the batch size that the data can fill.
  const VisionOptions& options() const { return options_; }
  const std::vector<Parameter*>& parameters() const override {
    return classifier_.model->parameters();
  }
  DataIdentity data_identity() const override {
    const char* of = data_.file_checksum != 0 ? "names or contents of files" : "images or labels";
    return {checksum_of(data_), data_.counts, of, "--data SPEC"};
  }
  int64_t batches_per_epoch() const override { return loader_->batches_per_epoch(); }
  void next_batch(const BatchPosition& position) override {
    position_ = position;
    const auto is_there = [&] {
      return batch_.images.defined() && batch_.epoch == position.epoch &&
             batch_.index == position.index;
    };
    if (is_there()) return;  // the first batch, which samples() has shown
    batch_ = loader_->next();
    if (is_there()) return;
    // After a resume, and after an epoch that drops its last batches.
    loader_->seek(position.epoch, position.index);
    batch_ = loader_->next();
  }

  Var forward(Tape& tape, double scale) override {
    const Tensor images = in_dtype(tape.arena(), batch_.images, setup.dtype);
    const Var logits = classifier_.model->forward(
        tape, images, {true, options_.drop_path, options_.seed, position_.count});
    if (class_weights_.empty()) return cross_entropy(tape, logits, batch_.targets, scale);
    // PyTorch's CrossEntropyLoss(weight): a mean over the labels' weights, or over the samples when
    // their targets are mixed.
    const bool mixed = options_.loading.mixup > 0 || options_.loading.cutmix > 0;
    double sum = 0;
    for (const int64_t label : batch_.labels) {
      sum += mixed ? 1 : class_weights_[static_cast<size_t>(label)];
    }
    return cross_entropy(tape, logits, batch_.targets,
                         scale * static_cast<double>(batch_.labels.size()) / sum, class_weights_);
  }

  EvalResult validate(Arena& arena) override {
    if (data_.val->size() == 0) return {true, 0, NAN, NAN, "no validation images"};
    last_evaluation_ =
        evaluate(classifier_, *data_.val, options_.batch_size, arena, !options_.quiet);
    return last_evaluation_;
  }

  void describe_model(CheckpointContent& content) const override {
    content.config = classifier_.config;
  }

  std::string samples(bool colors) const override {
    std::vector<Thumbnail> pictures;
    for (int64_t i = 0; i < std::min<int64_t>(3, batch_.images.shape()[0]); ++i) {
      const Tensor image = batch_.images.rows(i, i + 1).reshaped(
          {config_.chans, config_.img_height, config_.img_width});
      pictures.push_back({image, target_text(batch_.targets, i, classifier_.label_names)});
    }
    return draw_thumbnails(pictures, colors);
  }

  std::string text(const EvalResult& result) const override {
    return fmt::format("val loss {:.4f}, top-1 {:.2f} ± {:.2f} %", result.loss, result.metric,
                       100 * standard_error(result.metric / 100, result.samples));
  }

  Json summary(const EvalResult& result) const override {
    const double error = 100 * standard_error(result.metric / 100, result.samples);
    return {
        {"val_top1", result.metric}, {"val_top1_standard_error", error}, {"val_loss", result.loss}};
  }

  void add_details(Json& summary) const override {
    if (config_.classes > 5) summary["val_top5"] = last_evaluation_.top5;
  }

  void draw_figures(const RunFolder& folder, Json& run) const override {
    add_evaluation(run, classifier_, *data_.val, last_evaluation_);
    if (config_.arch != Arch::kGmlp) return;
    write_file_atomic(folder.file("filters.png"),
                      draw_filters(spatial_weights(parameters(), config_.block()),
                                   config_.img_height / config_.patch,
                                   config_.img_width / config_.patch, config_.class_token ? 1 : 0));
  }

  std::string next_command(const std::string& checkpoint) const override {
    return fmt::format("gmlp-vision predict --model {} IMAGE", shell_quoted(checkpoint));
  }

 private:
  void open_data() {
    classifier_.split = data_options_for(options_, setup.resumed());
    data_ = open_dataset(options_.data, classifier_.split);
    classifier_.split.trained_on = data_.trained_on;
    classifier_.label_names = data_.train->class_names;
    info.notes = data_.notes;
    const int64_t shards = options_.shards, most = data_.train->size() / shards * shards;
    refuse_if(most == 0, "--shards {}: there are only {} training images", shards,
              data_.train->size());
    if (most < options_.batch_size) {
      info.notes.push_back(fmt::format("--batch-size {} becomes {}: there are {} training images",
                                       options_.batch_size, most, data_.train->size()));
      options_.batch_size = most;
    }
    if (data_.val->size() == 0) info.notes.push_back("no validation images: nothing is validated");
    if (options_.class_weights == "balanced") {
      class_weights_ = balanced_weights(class_counts(*data_.train));
    }
  }

  /// The classes in a checkpoint's config.json if they are as many as the data's, but other ones.
  std::string other_classes(const std::string& folder) const {
    std::vector<std::string> stored, names;
    for (const std::string& name : classifier_.label_names) names.push_back(utf8_of(name));
    const std::string path = stored_config_path(folder);
    try {
      if (!path.empty()) vision_config_from_json(read_text(path, kMaxJsonBytes), path, &stored);
    } catch (const InputError&) {
      return "";  // of another program, whose weights alone count
    }
    if (stored == names || stored.size() != names.size()) return "";
    return printable(fmt::format("{}", fmt::join(stored, ", ")), 100);
  }

  void build_model() {
    if (setup.resumed()) {
      const std::string other = other_classes(setup.checkpoint);
      refuse_if(!other.empty(), "--data {}: the run's classes were {}; name the data of the run",
                options_.data, other);
    }
    config_ = choose_model(options_, data_);
    require_precision(setup.execution, config_.arch, config_.block());
    classifier_.execution = setup.execution;
    classifier_.model = std::make_unique<VisionModel>(config_, setup.dtype, options_.seed);
    if (!starts_from(options_.init, options_.model)) return;
    note_weights(options_.init, initialize_from(*classifier_.model, options_.init));
    if (const std::string other = other_classes(options_.init); !other.empty()) {
      info.notes.push_back("init: the head is kept, whose classes were " + other);
    }
  }

  void build_loader() {
    const int64_t side = std::min(config_.img_height, config_.img_width);
    const std::vector<double> half(static_cast<size_t>(config_.chans), 0.5);
    // The central 7/8 of images larger than the input, all of smaller ones.
    classifier_.transform = {.height = config_.img_height,
                             .width = config_.img_width,
                             .channels = config_.chans,
                             .crop_fraction = data_.shorter_side > side ? kLargeImageCrop : 1,
                             .mean = half,
                             .std = half};
    TransformOptions transform = classifier_.transform;
    if (data_.train->size() > 0 && data_.train->image(0).is_float()) {
      classifier_.transform.mean.assign(half.size(), 0);
      classifier_.transform.std.assign(half.size(), 1);
      info.notes.emplace_back("float images are used unchanged: no --aug, mean 0 and deviation 1");
    }
    transform.photo_side = classifier_.split.photo_side;
    transform.augment = kAugments.from_name(options_.aug);
    // A mirrored digit is another sign.
    transform.flip = !options_.no_flip && !options_.data.starts_with("mnist:");
    transform.scale = {side < kLargeImage ? 0.6 : 0.08, 1};
    if (!options_.scale.empty()) transform.scale = {options_.scale[0], options_.scale[1]};
    if (!options_.ratio.empty()) transform.ratio = {options_.ratio[0], options_.ratio[1]};
    LoaderOptions loading = options_.loading;
    loading.batch_size = options_.shard_size();
    loading.part_of = options_.step_batches();
    loading.part_begin = options_.step_batches() / rank_count() * rank();
    loading.part_end = options_.step_batches() / rank_count() * (rank() + 1);
    loading.seed = options_.seed;
    loading.shuffle = !options_.no_shuffle;
    loader_ = std::make_unique<Loader>(data_.train, transform, loading);
  }

  void fill_info() {
    info.command = "gmlp-vision train";
    info.kind = "vision";
    info.model = config_.name;
    info.data = data_.name;
    info.parameters = config_.parameter_count();
    info.validation_samples = data_.val->size();
    info.forward_flops = config_.forward_flops();
    if (options_.loading.smoothing > 0) info.loss_with += " + label smoothing";
    if (options_.loading.mixup > 0) info.loss_with += " + mixup";
    if (options_.loading.cutmix > 0) info.loss_with += " + cutmix";
    if (!class_weights_.empty()) info.loss_with += " + class weights";
    info.banner = {
        fmt::format("model    {} parameters, {} {} blocks, {} tokens, d_model {}, d_ffn {}, {:.3g} "
                    "GFLOPs per image",
                    grouped(info.parameters), config_.depth, kVisionArchs.name(config_.arch),
                    config_.tokens(), config_.d_model, config_.d_ffn, info.forward_flops / 1e9),
        fmt::format("data     {} training and {} validation images, {} classes, {}x{}x{} input",
                    grouped(data_.train->size()), grouped(data_.val->size()), config_.classes,
                    config_.chans, config_.img_height, config_.img_width),
        fmt::format("classes  {}",
                    printable(fmt::format("{}", fmt::join(classifier_.label_names, ", ")), 100))};
  }

  VisionOptions options_;
  DataSplits data_;
  VisionConfig config_;
  Classifier classifier_;  // with the transform of evaluation
  std::unique_ptr<Loader> loader_;
  std::vector<double> class_weights_;  // empty: none
  Batch batch_;
  BatchPosition position_;  // of the batch
  Evaluation last_evaluation_;
};

}  // namespace

int train(const VisionOptions& options, const Trainer::Hooks& hooks) {
  VisionTask task(options);
  return Trainer(task.options(), task, hooks).run();
}

}  // namespace gmlp
