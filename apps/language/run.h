#pragma once
// LanguageRun: text, a language model and what is said of both; what a run is beyond that,
// apps/train/training_run.h says.
//
//   pretrain.cpp      a batch's forward and backward pass
//   run_setup.cpp     options -> text, model, loaders
//   run_report.cpp    banner, samples, scores
//   figures.cpp       results.svg, filters.png, filters.svg

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "apps/language/evaluate.h"
#include "apps/language/options.h"
#include "apps/train/training_run.h"
#include "data/text/corpus.h"
#include "data/text/tokenizer.h"
#include "models/language.h"

namespace gmlp {

class LanguageRun : public TrainingRun {
 public:
  explicit LanguageRun(const PretrainCommand& command);

  const TrainOptions& common_options() const override { return options; }
  const std::vector<Parameter*>& parameters() const override { return model->parameters(); }
  double accumulate_gradients(int64_t micro_batch) override;

  LanguageOptions options;
  Objective objective = Objective::kMasked;
  std::unique_ptr<Tokenizer> tokenizer;
  TextSplits data;
  LanguageConfig config;
  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<TextLoader> loader;
  std::unique_ptr<TextLoader> val_loader;

 protected:
  // The batch follows from the step.
  void seek(int64_t, int64_t) override {}
  double wait_seconds() const override { return wait_; }
  EvalResult validate() override;
  bool improves_on(const EvalResult& score) const override;
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
  void open_text();
  void build_model();
  void build_loaders();
  void identify();
  // pretrain.cpp
  TextBatch next_batch(int64_t micro_batch);
  // run_report.cpp
  void show_progress();
  std::string written_sample() const;
  std::string filled_sample();

  double wait_ = 0;  // seconds that batches took to make
  TextScore last_score_;
};

/// Pretrains as `command` says; the exit status. `hooks` are for tests.
int pretrain(const PretrainCommand& command, const TrainingRun::Hooks& hooks = {});

}  // namespace gmlp
