// The run as a checkpoint, and back. A restored run computes the very bytes that the interrupted
// one would have computed: the loader's position, the random numbers and the schedule all follow
// from the step.

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "apps/train/training_run.h"
#include "autograd/dispatch_dtype.h"
#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinity and no NaN; a run that diverged has, and continues from them all the same.
Json exact(double value) {
  if (std::isfinite(value)) return value;
  return fmt::format("{}", value);  // "inf", "-inf", "nan" or "-nan"
}

double read_exact(const Json& json) {
  // Older versions wrote null for whatever is not finite.
  if (json.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (json == "inf") return std::numeric_limits<double>::infinity();
  if (json == "-inf") return -std::numeric_limits<double>::infinity();
  if (json == "nan" || json == "-nan") return std::numeric_limits<double>::quiet_NaN();
  return json.get<double>();
}

/// An element that is infinite or no number; 0 when there is none.
double not_finite(const Tensor& tensor) {
  double found = 0;
  dispatch_dtype(tensor.dtype(), [&]<typename T>() {
    const T* values = tensor.data<T>();
    for (int64_t i = 0; i < tensor.elements(); ++i) {
      if (!std::isfinite(values[i])) found = static_cast<double>(values[i]);
    }
  });
  return found;
}

/// Throws when the run's config.toml is no longer the one that the checkpoint was saved under.
void check_options(const Json& saved, const std::string& config, const std::string& folder) {
  std::map<std::string, std::string> now = binding_options(config);
  for (const auto& [name, value] : saved.items()) {
    const std::string found = now.count(name) != 0 ? utf8_of(now.at(name)) : "nothing";
    if (found != value.get<std::string>()) {
      fail_input(
          "{}: was saved with {} = {}, and config.toml says {}; restore the run's config.toml",
          folder, name, value.get<std::string>(), found);
    }
    now.erase(name);
  }
  if (!now.empty()) {
    fail_input("{}: was saved without {}, which config.toml gives; restore the run's config.toml",
               folder, now.begin()->first);
  }
}

void read_tensor(const SafetensorsFile& file, const std::string& name, const Tensor& into) {
  const Tensor tensor = file.read(name, into.dtype());
  if (!(tensor.shape() == into.shape())) {
    fail_input("{}: tensor {} is {}, the run's is {}; resume from another checkpoint", file.path(),
               name, tensor.shape().to_string(), into.shape().to_string());
  }
  into.copy_from(tensor);
}

}  // namespace

std::string TrainingRun::state_json() {
  const TrainOptions& options = common_options();
  Json state;
  state["format"] = 1;
  state["step"] = progress.step;
  state["epoch"] = epoch();
  state["batch"] = progress.step % steps_per_epoch * options.grad_accum_steps;
  state["seed"] = options.seed;
  state["optimizer_steps"] = optimizer->steps();
  state["epochs_closed"] = progress.epochs_closed;
  state["epoch_loss_sum"] = exact(progress.epoch_loss_sum);
  state["epoch_loss_count"] = progress.epoch_loss_count;
  state["skipped_in_a_row"] = nan_policy.in_a_row();
  state["skipped"] = nan_policy.skipped();
  state["best"] = {{"top1", exact(progress.best_metric)},
                   {"loss", exact(progress.best_loss)},
                   {"step", progress.best_step},
                   {"epoch", progress.best_epoch}};
  state["schedule"] = {{"sched", options.sched},
                       {"lr", schedule.lr},
                       {"min_lr", schedule.min_lr},
                       {"warmup_steps", schedule.warmup_steps},
                       {"total_steps", schedule.total_steps}};
  state["seconds"] = elapsed();
  state["offsets"] = folder->sync_offsets();
  state["options"] = binding_options(config_text_);
  return json_line(state);
}

void TrainingRun::check_weights() {
  // A step of finite gradients overflows all the same when the learning rate is large enough.
  const std::vector<Parameter*>& all = parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    double found = not_finite(all[i]->value);
    if (found == 0 && ema) found = not_finite(ema->averages()[i]);
    if (found == 0) continue;
    fail_run(
        "step {}: {} holds {}, which is not finite, so the weights were not saved and the previous "
        "checkpoint is untouched; start again, or from it with --init, with a smaller --lr, a "
        "longer --warmup-steps or a smaller --clip-grad",
        progress.step, all[i]->name, found);
  }
}

CheckpointContent TrainingRun::content() {
  check_weights();
  CheckpointContent content;
  const std::vector<Parameter*>& all = parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string& name = all[i]->name;
    content.model.push_back({name, ema ? ema->averages()[i] : all[i]->value});
    content.training.push_back({"m." + name, optimizer->first_moments()[i]});
    content.training.push_back({"v." + name, optimizer->second_moments()[i]});
    if (ema) content.training.push_back({"raw." + name, all[i]->value});
  }
  describe_model(content);
  content.state = state_json();
  return content;
}

void TrainingRun::save_last() {
  store->save_last(checkpoint_bytes(content()), progress.step);
}

void TrainingRun::restore_tensors(const Checkpoint& checkpoint) {
  const std::vector<Parameter*>& all = parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string& name = all[i]->name;
    read_tensor(*checkpoint.training, "m." + name, optimizer->first_moments()[i]);
    read_tensor(*checkpoint.training, "v." + name, optimizer->second_moments()[i]);
    if (ema) {
      read_tensor(checkpoint.model, name, ema->averages()[i]);
      read_tensor(*checkpoint.training, "raw." + name, all[i]->value);
    } else {
      read_tensor(checkpoint.model, name, all[i]->value);
    }
  }
}

void TrainingRun::restore_progress(const Json& state) {
  optimizer->set_steps(state.at("optimizer_steps"));
  progress.step = state.at("step");
  progress.epochs_closed = state.at("epochs_closed");
  progress.epoch_loss_sum = read_exact(state.at("epoch_loss_sum"));
  progress.epoch_loss_count = state.at("epoch_loss_count");
  const Json& best = state.at("best");
  progress.best_metric = read_exact(best.at("top1"));
  progress.best_loss = read_exact(best.at("loss"));
  progress.best_step = best.at("step");
  progress.best_epoch = best.at("epoch");
  progress.seconds = state.at("seconds");
  nan_policy.restore(state.at("skipped_in_a_row"), state.at("skipped"));
}

void TrainingRun::start_over(const std::string& checkpoint_folder, const Json& state) {
  const auto offsets = state.at("offsets").get<std::map<std::string, int64_t>>();
  const int64_t epoch_number = state.at("epoch");
  const int64_t batch = state.at("batch");
  // Nothing is taken back for a checkpoint that will be refused.
  folder->check_offsets(offsets);
  // The summary before `last`: beside an earlier one it would say that all is done. `last` before
  // the files: a later `last` could not be resumed once they are shorter.
  folder->forget_summary_after(progress.step);
  store->forget_after(checkpoint_folder, progress.step);
  if (progress.has_best() && !store->restore_best(checkpoint_folder, progress.best_step)) {
    note(fmt::format("the best weights, of step {}, are no more; the next validation is the best",
                     progress.best_step));
    progress.forget_best();
  }
  if (!progress.has_best()) store->drop_best();
  folder->truncate(offsets);
  seek(epoch_number, batch);
}

void TrainingRun::restore_from(const std::string& checkpoint_folder) {
  const Checkpoint checkpoint = open_checkpoint(checkpoint_folder);
  if (checkpoint.state.empty()) {
    fail_input("{}: has no training.json, so no run can continue from it; use it with --init",
               checkpoint_folder);
  }
  const Json state = parse_json(checkpoint.state, checkpoint_folder + "/training.json");
  check_options(state.at("options"), config_text_, checkpoint_folder);
  restore_tensors(checkpoint);
  restore_progress(state);
  const int64_t total = state.at("schedule").at("total_steps");
  if (total != total_steps) {
    fail_input("{}: its run had {} steps, now there are {}: the data set has changed; restore it",
               checkpoint_folder, total, total_steps);
  }
  start_over(checkpoint_folder, state);
}

void TrainingRun::restore(const std::string& checkpoint_folder) {
  if (!std::filesystem::is_directory(checkpoint_folder)) {
    fail_input(
        "--resume: {} is not there, the run stopped before its first save; start it again with "
        "--overwrite",
        checkpoint_folder);
  }
  try {
    restore_from(checkpoint_folder);
  } catch (const Json::exception& error) {
    fail_input(
        "{}/training.json: does not say where the run stands ({}); resume from another checkpoint "
        "of the run, or start a new run with --init {}",
        checkpoint_folder, error.what(), checkpoint_folder);
  }
  note(fmt::format("resumed from {} at step {}", checkpoint_folder, progress.step));
}

}  // namespace gmlp
