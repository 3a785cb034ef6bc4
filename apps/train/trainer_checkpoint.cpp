// The Trainer's state as a checkpoint, and back. A restored run computes exactly the bytes that the
// interrupted one would have: batches, random numbers and the schedule all follow from the step.

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/ranks/ranks.h"
#include "apps/train/trainer.h"
#include "autograd/tape.h"
#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

// JSON has no infinity and no NaN, but the state of a diverged run has.
template <class Number>
Json exact(Number value) {
  if (std::isfinite(static_cast<double>(value))) return value;
  return fmt::format("{}", value);  // "inf", "-inf", "nan" or "-nan"
}
void read_exact(const Json& json, double& value) {
  const std::string text = json.is_null() ? "nan" : json.is_string() ? json.get<std::string>() : "";
  // Earlier versions wrote null for NaN.
  const bool named = text == "inf" || text == "-inf" || text == "nan" || text == "-nan";
  value = named ? std::stod(text) : json.get<double>();
}
void read_exact(const Json& json, int64_t& value) {
  constexpr int64_t kMost = int64_t{1} << 48;  // sums of counts stay below 2^63
  if (!json.is_number_integer() || json < 0 || json > kMost) {
    fail_input("training.json: {} is no count of steps or epochs; resume from another checkpoint",
               json.dump());
  }
  value = json.get<int64_t>();
}

/// Throws when config.toml is no longer the one that the checkpoint was saved under.
void check_options(const Json& saved, const std::string& config, const std::string& folder) {
  const std::map<std::string, std::string> now = binding_options(config);
  for (const auto& [name, value] : saved.items()) {
    const std::string found = now.count(name) != 0 ? utf8_of(now.at(name)) : "nothing";
    if (is_changeable(name) || is_same_value(value.get<std::string>(), found)) continue;
    fail_input("{}: was saved with {} = {}, and config.toml says {}; restore the run's config.toml",
               folder, name, value.get<std::string>(), found);
  }
}

Json data_json(const DataIdentity& data) {
  return {{"crc32", data.checksum}, {"counts", data.counts}};
}

/// Throws when the data are not those of the run.
void check_data(const Json& state, const DataIdentity& data, const std::string& folder) {
  const Json& saved = state.at("data");
  if (saved == data_json(data)) return;
  const std::string then = saved.at("counts");
  const std::string difference = then == data.counts
                                     ? fmt::format("the same counts, but other {}", data.of)
                                     : fmt::format("{} then, {} now", then, data.counts);
  fail_input(
      "{}: the data have changed since it was saved: {}; restore them, say where they are now with "
      "{}, or start a new run with --init {} (finetune: --model)",
      folder, difference, data.option, folder);
}

LogPositions log_ends(const Json& state) {
  LogPositions ends = kLogStarts;
  for (auto& [name, end] : ends) {
    read_exact(state.at("offsets").at(name), end.size);
    end.crc = state.at("log_crc32").at(name);
  }
  return ends;
}

/// Calls visit(name, value) for the numbers of the state that a resume sets.
template <class Visit>
void for_each_number(Progress& progress, const Visit& visit) {
  visit("/step", progress.step);
  visit("/epochs_closed", progress.epochs_closed);
  visit("/epoch_loss_sum", progress.epoch_loss_sum);
  visit("/epoch_loss_count", progress.epoch_loss_count);
  visit("/skipped_in_a_row", progress.skipped_in_a_row);
  visit("/skipped", progress.skipped);
  visit("/best/top1", progress.best.metric);  // of any task
  visit("/best/loss", progress.best.loss);
  visit("/best/step", progress.best.step);
  visit("/best/epoch", progress.best.epoch);
  visit("/seconds", progress.seconds);
}

/// Throws if an element is infinite or NaN.
void check_finite(const std::vector<NamedTensor>& tensors, int64_t step) {
  for (const NamedTensor& entry : tensors) {
    double found = 0;
    dispatch_dtype(entry.tensor.dtype(), [&]<typename T>() {
      const T* values = entry.tensor.data<T>();
      for (int64_t i = 0; i < entry.tensor.elements(); ++i) {
        if (!std::isfinite(values[i])) found = static_cast<double>(values[i]);
      }
    });
    if (found == 0) continue;
    // A second moment is the square of a large gradient; no later step would move the weight.
    const bool moment = entry.name.starts_with("v.");
    const bool prefixed = moment || entry.name.starts_with("raw.");
    fail_run(
        "step {}: {}{} holds {}, which is not finite, so the weights were not saved and the "
        "previous checkpoint is untouched; start again, or from it with --init, with a smaller "
        "--lr, a longer --warmup-steps or more clipping (--clip-grad)",
        step, moment ? "AdamW's second moment of " : "",
        prefixed ? entry.name.substr(entry.name.find('.') + 1) : entry.name, found);
  }
}

void read_tensor(const SafetensorsFile& file, const NamedTensor& into) {
  const auto& [name, tensor] = into;
  const Tensor stored = file.read(name, tensor.dtype());
  refuse_if(!(stored.shape() == tensor.shape()),
            "{}: tensor {} is {}, the run's is {}; resume from another checkpoint", file.path(),
            name, stored.shape().to_string(), tensor.shape().to_string());
  tensor.copy_from(stored);
}

}  // namespace

std::string Trainer::state_json() {
  const BatchPosition next = position(0);
  Json state = {{"format", 1},
                {"epoch", next.epoch},
                {"batch", next.index},
                {"seed", options.seed},
                {"optimizer_steps", optimizer->steps()}};
  progress.seconds = elapsed();
  for_each_number(progress, [&](const char* name, auto value) {
    state[Json::json_pointer(name)] = exact(value);
  });
  state["schedule"] = {{"sched", options.sched},
                       {"lr", schedule.lr},
                       {"min_lr", schedule.min_lr},
                       {"warmup_steps", schedule.warmup_steps},
                       {"total_steps", schedule.total_steps}};
  for (const auto& [name, end] : folder_->sync_logs()) {
    state["offsets"][name] = end.size;
    state["log_crc32"][name] = end.crc;
  }
  state["data"] = data_json(data_);
  state["options"] = binding_options(options.config);
  return json_line(state);
}

/// The weights, and the moments behind them, without the rest of a checkpoint.
CheckpointContent Trainer::tensors() const {
  CheckpointContent content;
  const std::vector<Parameter*>& all = parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string& name = all[i]->name;
    content.model.push_back({name, ema ? ema->averages()[i] : all[i]->value});
    content.training.push_back({"m." + name, optimizer->first_moments()[i]});
    content.training.push_back({"v." + name, optimizer->second_moments()[i]});
    if (ema) content.training.push_back({"raw." + name, all[i]->value});
  }
  return content;
}

CheckpointContent Trainer::content() {
  CheckpointContent content = tensors();
  check_finite(content.model, progress.step);
  check_finite(content.training, progress.step);
  task.describe_model(content);
  content.state = state_json();
  return content;
}

void Trainer::restore_from(const std::string& checkpoint_folder) {
  const Checkpoint checkpoint = open_checkpoint(checkpoint_folder);
  refuse_if(checkpoint.state.empty(),
            "{}: has no training.json, so no run can continue from it; use it with --init",
            checkpoint_folder);
  const Json state = parse_json(checkpoint.state, checkpoint_folder + "/training.json");
  check_options(state.at("options"), options.config, checkpoint_folder);
  check_data(state, data_, checkpoint_folder);
  const CheckpointContent own = tensors();
  for (const NamedTensor& into : own.model) read_tensor(checkpoint.model, into);
  for (const NamedTensor& into : own.training) read_tensor(*checkpoint.training, into);
  int64_t optimizer_steps = 0;
  read_exact(state.at("optimizer_steps"), optimizer_steps);
  optimizer->set_steps(optimizer_steps);
  for_each_number(progress, [&](const char* name, auto& value) {
    read_exact(state.at(Json::json_pointer(name)), value);
  });
  const bool same_batch = adopt_length(state) && state.at("epoch") == position(0).epoch &&
                          state.at("batch") == position(0).index;
  refuse_if(!same_batch,
            "{}: the data set has changed since the run began, it has another number of batches; "
            "restore the data",
            checkpoint_folder);
  const SavePoint point = {checkpoint_folder, progress.step, progress.best.step, log_ends(state)};
  const bool best_lost = folder_ && !folder_->rewind(point, task.info.notes);
  if (max_over_ranks(best_lost) > 0) progress.best = {};
}

/// Says what another --epochs or --max-steps does to the run. False if its length is another one
/// under the same options.
bool Trainer::adopt_length(const Json& state) {
  Schedule before = schedule;
  before.total_steps = state.at("schedule").at("total_steps");
  before.warmup_steps = state.at("schedule").at("warmup_steps");
  const std::map<std::string, std::string> now = binding_options(options.config);
  const Json& saved = state.at("options");
  if (saved.at("epochs") == now.at("epochs") && saved.at("max-steps") == now.at("max-steps")) {
    return before.total_steps == length.total_steps && progress.step <= length.total_steps &&
           progress.epochs_closed <= length.epochs;
  }
  refuse_if(length.total_steps < progress.step,
            "--epochs {} and --max-steps {} make {} steps, and the run has made {}; use more",
            options.epochs, options.max_steps, length.total_steps, progress.step);
  if (progress.step == length.total_steps) return true;  // nothing is left to train
  // An epoch that --max-steps had cut short goes on.
  progress.epochs_closed = std::min(progress.epochs_closed, epoch());
  task.info.notes.push_back(fmt::format(
      "{} steps, {} before; from here the learning rate follows the new length: {:.2e} at the next "
      "step, not {:.2e}",
      length.total_steps, before.total_steps, schedule.at(progress.step),
      before.at(progress.step)));
  return true;
}

void Trainer::restore(const std::string& checkpoint_folder) {
  try {
    restore_from(checkpoint_folder);
  } catch (const Json::exception& error) {
    fail_input(
        "{}/training.json: lacks a part of the run's state ({}); resume from another checkpoint of "
        "the run, or start a new run with --init {} (finetune: --model)",
        checkpoint_folder, error.what(), checkpoint_folder);
  }
  task.info.notes.push_back(
      fmt::format("resumed from {} at step {}", checkpoint_folder, progress.step));
}

}  // namespace gmlp
