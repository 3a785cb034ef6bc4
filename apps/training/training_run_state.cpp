// The run as a checkpoint, and back. A restored run computes the very bytes that the interrupted
// one would have computed: the loader's position, the random numbers and the schedule all follow
// from the step.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/training/training_run.h"
#include "core/error.h"
#include "core/json.h"

namespace gmlp {

namespace {

using Json = nlohmann::ordered_json;

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
  state["epoch_loss_sum"] = progress.epoch_loss_sum;
  state["epoch_loss_count"] = progress.epoch_loss_count;
  state["skipped_in_a_row"] = nan_policy.in_a_row();
  state["skipped"] = nan_policy.skipped();
  state["best"] = {{"top1", progress.best_metric},
                   {"loss", progress.best_loss},
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

CheckpointContent TrainingRun::content() {
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

void TrainingRun::restore(const std::string& checkpoint_folder) {
  if (!std::filesystem::is_directory(checkpoint_folder)) {
    fail_input(
        "--resume: {} is not there, the run stopped before its first save; start it again with "
        "--overwrite",
        checkpoint_folder);
  }
  const Checkpoint checkpoint = open_checkpoint(checkpoint_folder);
  if (checkpoint.state.empty()) {
    fail_input("{}: has no training.json, so no run can continue from it; use it with --init",
               checkpoint_folder);
  }
  const Json state = Json::parse(checkpoint.state);
  check_options(state.at("options"), config_text_, checkpoint_folder);
  restore_tensors(checkpoint);
  optimizer->set_steps(state.at("optimizer_steps"));
  progress.step = state.at("step");
  progress.epochs_closed = state.at("epochs_closed");
  progress.epoch_loss_sum = state.at("epoch_loss_sum");
  progress.epoch_loss_count = state.at("epoch_loss_count");
  const Json& best = state.at("best");
  progress.best_metric = best.at("top1");
  progress.best_loss = best.at("loss");
  progress.best_step = best.at("step");
  progress.best_epoch = best.at("epoch");
  progress.seconds = state.at("seconds");
  nan_policy.restore(state.at("skipped_in_a_row"), state.at("skipped"));
  if (state.at("schedule").at("total_steps") != total_steps) {
    fail_input("{}: its run had {} steps, now there are {}: the data set has changed; restore it",
               checkpoint_folder, state.at("schedule").at("total_steps").get<int64_t>(),
               total_steps);
  }
  folder->truncate(state.at("offsets").get<std::map<std::string, int64_t>>());
  store->forget_after(progress.step, progress.has_best());
  seek(state.at("epoch"), state.at("batch"));
  note(fmt::format("resumed from {} at step {}", checkpoint_folder, progress.step));
}

}  // namespace gmlp
