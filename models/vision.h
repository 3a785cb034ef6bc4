#pragma once
// The vision models, gMLP, ViT and MLP-Mixer: images (B, C, H, W) -> logits (B, classes). Names and
// shapes of all parameters are those of timm's MlpMixer and VisionTransformer.

#include <cstdint>
#include <string>
#include <vector>

#include "models/baselines.h"

namespace gmlp {

struct VisionConfig {
  std::string name = "custom";
  int64_t img_height = 224;
  int64_t img_width = 224;
  int64_t patch = 16;  // P
  int64_t chans = 3;   // C
  int64_t classes = 1000;
  int64_t depth = 30;     // L
  int64_t d_model = 256;  // D
  int64_t d_ffn = 1536;   // F
  Gate gate = Gate::kSplit;
  bool class_token = false;
  double spatial_init_std = 1e-6;
  Arch arch = Arch::kGmlp;  // or kTransformer (ViT), kMixer; gate and std are gMLP's
  int64_t heads = 0;        // H of ViT
  int64_t spatial_ffn = 0;  // of the Mixer

  bool operator==(const VisionConfig&) const = default;
  bool is_vit() const { return arch == Arch::kTransformer; }
  int64_t tokens() const {
    return (img_height / patch) * (img_width / patch) + (class_token ? 1 : 0);
  }
  BlockConfig block() const;
  int64_t parameter_count() const;
  /// FLOPs of one image's forward pass: 2 x the multiply-adds of the matrix products. A training
  /// step is 3 x.
  double forward_flops() const;
  /// Throws InputError naming the field, the reason and the remedy.
  void validate() const;
};

inline const Choices<Arch> kVisionArchs{"--arch", "architecture", {"gmlp", "vit", "mixer"}};

/// A named size of models/vision_sizes.txt, or InputError that lists all.
VisionConfig vision_config(const std::string& name);
std::vector<std::string> vision_config_names();

/// Whether timm.create_model makes this very model: one of its sizes under its name.
bool is_timms(const VisionConfig& config);

/// A config.json as timm reads it, and back. `label_names` may be empty; `extra_gmlp_json` is an
/// object (or empty) whose members join ours in "gmlp".
std::string vision_config_to_json(const VisionConfig& config,
                                  const std::vector<std::string>& label_names,
                                  const std::string& extra_gmlp_json);
/// `path` only names the source in errors. `label_names` may be nullptr.
VisionConfig vision_config_from_json(const std::string& text, const std::string& path,
                                     std::vector<std::string>* label_names);

class VisionModel : public Model<VisionConfig> {
 public:
  /// Weights depend on the seed alone. With Storage::kMeta they have shapes and no memory.
  VisionModel(const VisionConfig& config, DType dtype, uint64_t seed,
              Storage storage = Storage::kMemory);

  /// images (B, C, H, W), of the model's dtype -> logits (B, classes).
  /// Throws InputError for another shape than the model's.
  Var forward(Tape& tape, const Tensor& images, const ForwardContext& context);
  /// The head's input (B, D): the mean over the tokens, or what became of the class token.
  Var features(Tape& tape, const Tensor& images, const ForwardContext& context);
  Var head(Tape& tape, Var features) { return head_(tape, features); }

 private:
  Parameter* class_token_ = nullptr;  // (1, 1, D)
  Parameter* positions_ = nullptr;    // (1, N, D), of ViT
  Linear stem_;                       // (D, C, P, P)
  LayerNorm norm_;                    // D
  Linear pre_head_;                   // (D, D), of a gMLP with a class token
  Linear head_;                       // (classes, D)
};

/// The peak of arena memory of a training step, in bytes, measured by a dry run. Parameters, their
/// gradients and AdamW's moments are not included.
int64_t training_memory(const VisionConfig& config, int64_t batch, DType dtype,
                        const ExecutionOptions& execution);

}  // namespace gmlp
