#pragma once
// FinetuneRun: a task's examples, a pretrained model and its new head; what a run is beyond that,
// apps/train/training_run.h says.
//
//   finetune.cpp          a batch's forward and backward pass
//   finetune_setup.cpp    options -> model, examples, loader
//   finetune_report.cpp   banner, samples, scores, figures
//   finetune_runs.cpp     several runs and their median

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/language/tasks/task_files.h"
#include "apps/language/tasks/task_options.h"
#include "apps/language/tasks/task_score.h"
#include "apps/train/training_run.h"
#include "models/language.h"

namespace gmlp {

class FinetuneRun : public TrainingRun {
 public:
  /// Opens and checks model and examples. Nothing is written before begin().
  explicit FinetuneRun(const FinetuneCommand& command);
  /// Makes the run's folder, or restores the run in it.
  void begin() { open(loader->batches_per_epoch()); }

  const TrainOptions& common_options() const override { return options; }
  const std::vector<Parameter*>& parameters() const override { return model->parameters(); }
  double accumulate_gradients(int64_t micro_batch) override;

  FinetuneOptions options;
  Task task;
  std::unique_ptr<Tokenizer> tokenizer;
  LanguageConfig config;
  std::unique_ptr<LanguageModel> model;
  TaskFiles files;
  std::unique_ptr<TaskLoader> loader;

 protected:
  // The batch follows from the step.
  void seek(int64_t /*epoch*/, int64_t /*batch*/) override {}
  double wait_seconds() const override { return wait_; }
  EvalResult validate() override;
  bool improves_on(const EvalResult& score) const override {
    // A model that diverged has some score, too, that of guessing; it is never the best.
    if (!std::isfinite(score.loss) || !std::isfinite(score.metric)) return false;
    return !progress.has_best() || !(score.metric <= progress.best_metric);
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
  // finetune_setup.cpp
  void build_model();
  void load_weights_from(const std::string& source);
  void open_files();
  void identify();
  // finetune.cpp
  TaskBatch next_batch(int64_t micro_batch);
  // finetune_report.cpp
  std::string sample_text(int64_t row) const;

  double wait_ = 0;  // seconds that batches took to make
  TaskScore last_score_;
};

/// Finetunes as `command` says; the exit status. `hooks` are for tests.
int finetune(const FinetuneCommand& command, const TrainingRun::Hooks& hooks = {});

/// finetune --runs N: N runs in one folder, and their median.
int finetune_runs(const FinetuneCommand& command);

}  // namespace gmlp
