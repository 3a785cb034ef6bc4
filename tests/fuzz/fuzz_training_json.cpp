// The training.json of a run that is resumed, a NUL, and its summary.json. The checksum is right,
// as that of a file made with care. Or changes of a run's own state, one per line: /best/step=-5.
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "apps/train/trainer.h"
#include "autograd/ops.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training.h"

namespace fs = std::filesystem;

namespace {

/// Two epochs of a million steps, which train one weight.
class OneWeight : public gmlp::TrainingTask {
 public:
  static constexpr int64_t kSteps = 1 << 20;

  explicit OneWeight(const gmlp::TrainOptions& options) : TrainingTask(options) { one_.fill(1); }
  const std::vector<gmlp::Parameter*>& parameters() const override { return all_; }
  gmlp::DataIdentity data_identity() const override { return {7, "one", "numbers", "--data"}; }
  int64_t batches_per_epoch() const override { return kSteps; }
  void next_batch(const gmlp::BatchPosition&) override {}
  gmlp::Var forward(gmlp::Tape& tape, double scale) override {
    return gmlp::cross_entropy_ids(tape, gmlp::linear(tape, tape.constant(one_), weight_, nullptr),
                                   {0}, scale);
  }
  gmlp::EvalResult validate(gmlp::Arena&) override { return {true, 1, 0.5, 50}; }
  void describe_model(gmlp::CheckpointContent& content) const override { content.config = "{}"; }
  std::string samples(bool) const override { return ""; }
  std::string text(const gmlp::EvalResult&) const override { return ""; }
  gmlp::Json summary(const gmlp::EvalResult&) const override { return {}; }
  std::string next_command(const std::string&) const override { return ""; }

 private:
  const gmlp::Tensor one_ = gmlp::Tensor::zeros(gmlp::DType::kF32, {1, 1});
  gmlp::Parameter weight_{"weight", gmlp::Tensor::zeros(gmlp::DType::kF32, {2, 1}),
                          gmlp::Tensor::zeros(gmlp::DType::kF32, {2, 1}), true};
  std::vector<gmlp::Parameter*> all_{&weight_};
};

gmlp::TrainOptions options_for(const std::string& run) {
  gmlp::TrainOptions options;
  options.out = run;
  options.epochs = 2;
  options.quiet = options.no_figures = true;
  options.threads = 1;
  options.config = "epochs=2\nmax-steps=0\n";
  return options;
}

/// A run that was stopped at its third step.
const std::string& stopped_run() {
  static const gmlp::test::TemporaryFolder folder;
  static const std::string path = folder / "run";
  if (fs::exists(path)) return path;
  const gmlp::TrainOptions options = options_for(path);
  OneWeight task(options);
  gmlp::test::run_without_signal(
      [&] { return gmlp::Trainer(options, task, gmlp::test::stop_at(3)).run(); });
  return path;
}

/// Its files but for config.toml. std::filesystem::copy may fail when libFuzzer's alarm rings.
std::map<std::string, std::string> files_of(const std::string& run) {
  std::map<std::string, std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(run)) {
    const std::string name = entry.path().lexically_relative(run).string();
    if (entry.is_regular_file() && name != "config.toml") {
      files[name] = gmlp::read_text(entry.path().string());
    }
  }
  return files;
}

/// The state in `text`, or the stopped run's with its changes. A value that is no JSON removes.
std::string state_of(const std::string& text) {
  if (!text.starts_with('/')) return text;
  const std::string path = stopped_run() + "/checkpoints/last/training.json";
  gmlp::Json state = gmlp::parse_json(gmlp::read_text(path), path);
  state.erase("crc32");
  for (const std::string& line : gmlp::lines_of(text)) {
    const size_t equals = std::min(line.find('='), line.size() - 1);
    try {
      const gmlp::Json::json_pointer at(line.substr(0, equals));
      if (at.empty() || !state.contains(at)) continue;
      const gmlp::Json value = gmlp::Json::parse(line.substr(equals + 1), nullptr, false);
      state.at(at) = value;
      if (value.is_discarded()) state.at(at.parent_pointer()).erase(at.back());
    } catch (const gmlp::Json::exception&) {  // no pointer
    }
  }
  return gmlp::json_line(state);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const gmlp::test::TemporaryFolder folder;
  const std::string run = folder / "run";
  static const std::map<std::string, std::string> files = files_of(stopped_run());
  fs::remove_all(run);
  for (const auto& [name, bytes] : files) folder.write("run/" + name, bytes);
  const auto [state, summary] = gmlp::test::two_texts(data, size);
  if (!state.empty()) {
    folder.write("run/checkpoints/last/training.json", gmlp::add_checksum(state_of(state)));
  }
  if (!summary.empty()) folder.write("run/summary.json", summary);
  // A folder in place of a file: the run ends when it is restored, before it measures the machine's
  // peak, which would take a second.
  fs::create_directory(run + "/config.toml");
  return gmlp::test::accept_input_errors([&] {
    gmlp::TrainOptions options = options_for(run);
    options.resume = run;
    OneWeight task(options);
    gmlp::Trainer trainer(options, task);
    try {
      trainer.run();
    } catch (const gmlp::RunError& error) {
      gmlp::test::check(std::string(error.what()).find("config.toml") != std::string::npos);
    }
    const gmlp::Progress& progress = trainer.progress;
    gmlp::test::check(progress.step >= 0 && progress.step <= 2 * OneWeight::kSteps);
    gmlp::test::check(progress.epochs_closed >= 0 && progress.epochs_closed <= 2);
  });
}
