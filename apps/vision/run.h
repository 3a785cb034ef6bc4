#pragma once
// VisionRun: images, a vision gMLP and what is said of both; what a run is beyond that,
// apps/train/training_run.h says.
//
//   train.cpp         a batch's forward and backward pass
//   run_setup.cpp     options -> data, model, loader
//   run_report.cpp    banner, samples, scores and figures

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "apps/train/training_run.h"
#include "apps/vision/evaluate.h"
#include "apps/vision/options.h"
#include "data/vision/loader.h"
#include "models/vision.h"

namespace gmlp {

class VisionRun : public TrainingRun {
 public:
  explicit VisionRun(const TrainCommand& command);

  const TrainOptions& common_options() const override { return options; }
  const std::vector<Parameter*>& parameters() const override { return model->parameters(); }
  double accumulate_gradients(int64_t micro_batch) override;

  VisionOptions options;
  DataOptions data_options;
  DataSplits data;
  VisionConfig config;
  TransformOptions train_transform;
  TransformOptions val_transform;
  std::unique_ptr<VisionModel> model;
  std::unique_ptr<Loader> loader;

 protected:
  void seek(int64_t epoch, int64_t batch) override { loader->seek(epoch, batch); }
  double wait_seconds() const override { return loader->wait_seconds(); }
  EvalResult validate() override;
  bool improves_on(const EvalResult& score) const override {
    // A model that diverged has some accuracy, too, that of guessing; it is never the best.
    if (!std::isfinite(score.loss) || !std::isfinite(score.metric)) return false;
    return !(score.metric <= progress.best_metric);  // true beside a best that is no number
  }
  void describe_model(CheckpointContent& content) const override;
  std::vector<std::string> banner() const override;
  void show_samples() override;
  std::string score_text(const EvalResult& score) const override;
  std::string best_text() const override;
  nlohmann::ordered_json best_summary() const override;
  nlohmann::ordered_json final_summary() const override;
  void draw_figures() override;
  std::string next_command(const std::string& checkpoint) const override;

 private:
  // run_setup.cpp
  void open_data();
  void build_model();
  void build_loader();
  void identify();

  Evaluation last_evaluation_;
};

/// Trains as `command` says; the exit status. `hooks` are for tests.
int train(const TrainCommand& command, const TrainingRun::Hooks& hooks = {});

}  // namespace gmlp
