#pragma once
// The vision gMLP: patches, blocks, final norm, mean over tokens (or the class token), head.
// Names and shapes of all parameters are timm's (MlpMixer with SpatialGatingBlock).

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "models/gmlp_block.h"

namespace gmlp {

struct VisionConfig {
  std::string name = "custom";
  int64_t img_height = 224;
  int64_t img_width = 224;
  int64_t patch = 16;
  int64_t chans = 3;
  int64_t classes = 1000;
  int64_t depth = 30;
  int64_t d_model = 256;
  int64_t d_ffn = 1536;
  Gate gate = Gate::kSplit;
  bool class_token =
      false;  // the paper's form: a token at position 0 and a D x D layer before the head
  double spatial_init_std = 1e-6;

  bool operator==(const VisionConfig&) const = default;
  int64_t tokens() const {
    return (img_height / patch) * (img_width / patch) + (class_token ? 1 : 0);
  }
  BlockConfig block() const;
  int64_t parameter_count() const;
  /// FLOPs of one image's forward pass: 2 x the multiply-adds of the GEMMs. A training step is 3 x.
  double forward_flops() const;
  /// Throws InputError naming the field, the reason and the remedy.
  void validate() const;
};

/// A named size: gmlp_ti16_224, gmlp_s16_224, gmlp_b16_224 and small ones for small images. Throws
/// InputError with all names when there is none.
VisionConfig vision_config(const std::string& name);
std::vector<std::string> vision_config_names();

/// Whether timm.create_model makes this very model: one of its three sizes under its name.
bool is_timms(const VisionConfig& config);

/// A config.json as timm reads it, and back. `label_names` may be empty.
std::string vision_config_to_json(const VisionConfig& config,
                                  const std::vector<std::string>& label_names,
                                  const std::string& extra_gmlp_json);
/// `path` only names the source in errors. `label_names` may be nullptr.
VisionConfig vision_config_from_json(const std::string& text, const std::string& path,
                                     std::vector<std::string>* label_names);

/// What the randomness of one training forward depends on.
struct ForwardContext {
  bool training = false;
  double drop_path =
      0;  // 1 - survival probability, the same in every block (as timm and the paper)
  uint64_t seed = 0;
  int64_t step = 0;  // counts micro-batches from the start of the run
};

/// One scale a sample for block `block`: 0 with probability drop_path, else 1 / (1 - drop_path);
/// empty when stochastic depth is off (Huang et al. 2016; scaled as timm does).
std::vector<double> drop_path_scales(const ForwardContext& context, int64_t batch, int64_t block);

class VisionModel {
 public:
  VisionModel(const VisionConfig& config, DType dtype, uint64_t seed);
  VisionModel(const VisionModel&) = delete;  // parameters_ points into the model
  VisionModel& operator=(const VisionModel&) = delete;

  /// images (B, C, H, W), of the model's dtype -> logits (B, classes).
  Var forward(Tape& tape, const Tensor& images, const ForwardContext& context);

  /// The weights will not change any more: passes that record nothing become faster, by a tenth for
  /// one image, and take the blocks' weights in memory once more.
  void prepack_weights();

  /// All parameters in timm's order.
  const std::vector<Parameter*>& parameters() const { return parameters_; }
  const VisionConfig& config() const { return config_; }
  DType dtype() const { return dtype_; }

 private:
  VisionConfig config_;
  DType dtype_;
  Parameter class_token_;              // (1, 1, D)
  Parameter stem_weight_, stem_bias_;  // (D, C, P, P), (D)
  std::vector<GmlpBlock> blocks_;
  Arena packed_;                       // the blocks' weights once more, when they are frozen
  Parameter norm_weight_, norm_bias_;  // (D)
  Parameter pre_head_weight_, pre_head_bias_;  // (D, D), (D)
  Parameter head_weight_, head_bias_;          // (classes, D), (classes)
  std::vector<Parameter*> parameters_;
};

/// The predicted peak of arena memory of a training step, in bytes.
int64_t training_memory(const VisionConfig& config, int64_t batch, DType dtype,
                        const ExecutionOptions& execution);

}  // namespace gmlp
