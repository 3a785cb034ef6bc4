#pragma once
// TrainingTask: what is trained. The Trainer (trainer.h) calls it in this order:
//
//   next_batch      the next batch of the training data
//   forward         the model's loss on it; the Trainer runs backward and the optimizer
//   validate        at an epoch's end
//   describe_model  at a save
//
// The other functions describe the task to the Reporter (reporter.h). VisionTask, PretrainTask and
// FinetuneTask are the three tasks.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/train/options.h"
#include "autograd/tape.h"
#include "core/arena.h"
#include "core/io/json.h"
#include "models/checkpoint/checkpoint.h"

namespace gmlp {

class RunFolder;

/// How a run computes, and what it continues from. Sets the number of threads. With --resume it
/// opens the run's folder, which repairs what a killed save left, before a task reads the
/// checkpoint.
struct RunSetup : Arithmetic {
  explicit RunSetup(const TrainOptions& options);

  std::shared_ptr<RunFolder> folder;  // on rank 0, the one to continue; null for a new run
  std::string checkpoint;             // the one to continue from; empty if nothing was saved
  bool resumed() const { return !checkpoint.empty(); }
};

/// What a run trains and validates on. A checkpoint stores it, and --resume compares.
struct DataIdentity {
  uint32_t checksum = 0;
  std::string counts;  // "32 training and 8 validation images of 2 classes"
  std::string of;      // what the checksum covers: "names or contents of files", "tokens"
  std::string option;  // that names the data: "--data SPEC"
};

/// What the run folder and the console call the task, and its units.
struct TaskInfo {
  std::string command;  // "gmlp-vision train": --resume DIR continues the run
  std::string kind;     // the folder below runs/
  std::string model;
  std::string data;
  std::string samples = "images";  // plural
  std::string unit = "img";        // of speed: "img" or "tok"
  int64_t units_per_sample = 1;
  std::string loss_with;  // " + mixup": what only the training loss has
  int64_t parameters = 0;
  int64_t validation_samples = 0;   // of which the metric is a share; 0: nothing is held out
  double forward_flops = 0;         // per sample
  std::string metric = "val_top1";  // metrics.csv's column for EvalResult::metric
  bool best_by_loss = false;        // the best epoch has the lowest loss, not the highest metric
  std::vector<std::string> inputs;  // files and folders that the run reads
  std::vector<std::string> banner;  // lines on model and data
  std::vector<std::string> notes;   // lines below the banner
};

/// The result of a validation.
struct EvalResult {
  bool complete = false;  // false when a signal interrupted it
  int64_t samples = 0;
  double loss = 0;           // mean cross-entropy in nats, without smoothing
  double metric = 0;         // top-1 accuracy or F1 in percent, or perplexity
  std::string details = {};  // for the console, in place of TrainingTask::text(); may be empty
  std::string sample = {};   // a line that shows what the model can do by now; may be empty

  /// There may be nothing to validate on.
  bool is_validated() const { return complete && samples > 0; }
};

/// A batch's place in the run.
struct BatchPosition {
  int64_t epoch = 0;
  int64_t index = 0;  // in the epoch
  int64_t count = 0;  // batches trained on before; seeds dropout and drop path
};

class TrainingTask {
 public:
  explicit TrainingTask(const TrainOptions& options) : setup(options) {}
  virtual ~TrainingTask() = default;
  TrainingTask(const TrainingTask&) = delete;
  TrainingTask& operator=(const TrainingTask&) = delete;

  virtual const std::vector<Parameter*>& parameters() const = 0;
  virtual DataIdentity data_identity() const = 0;
  virtual int64_t batches_per_epoch() const = 0;
  virtual void next_batch(const BatchPosition& position) = 0;
  /// The mean loss of the batch of next_batch(), a scalar, times `scale`.
  virtual Var forward(Tape& tape, double scale) = 0;
  /// Complete, with 0 samples if nothing is held out. Throws Stopped after a signal.
  virtual EvalResult validate(Arena& arena) = 0;
  /// Adds config.json and the files beside the weights that make the model usable.
  virtual void describe_model(CheckpointContent& content) const = 0;

  /// Lines that show samples of the batch of next_batch().
  virtual std::string samples(bool colors) const = 0;
  /// "val loss 0.3021, top-1 89.10 ± 0.31 %", from loss, metric and samples alone.
  virtual std::string text(const EvalResult& result) const = 0;
  /// The same as summary.json's object.
  virtual Json summary(const EvalResult& result) const = 0;
  /// Adds what only the last validation tells.
  virtual void add_details(Json& /*summary*/) const {}
  /// Writes filters.png if there are any, and adds to report.html's `run` (report.h).
  virtual void draw_figures(const RunFolder& /*folder*/, Json& /*run*/) const {}
  /// The command to run next with the weights in `checkpoint`.
  virtual std::string next_command(const std::string& checkpoint) const = 0;

  const RunSetup setup;
  TaskInfo info;

 protected:
  /// Whether new weights start as those of `init`. Notes if those of a folder `model` do not count.
  bool starts_from(const std::string& init, const std::string& model) {
    if (init.empty() && !setup.resumed() && std::filesystem::is_directory(model)) {
      info.notes.push_back(fmt::format(
          "--model {0} gives only the architecture; --init {0} would load its weights, too",
          model));
    }
    return !init.empty() && !setup.resumed();
  }
  /// Notes that the initial weights are those in `source`.
  void note_weights(const std::string& source, const std::vector<std::string>& notes,
                    const char* more = "") {
    info.notes.insert(info.notes.end(), notes.begin(), notes.end());
    info.notes.push_back(fmt::format("weights taken from {}{}", source, more));
  }
};

}  // namespace gmlp
