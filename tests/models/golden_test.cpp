// Cases made with PyTorch (tests/golden): logits, loss, every gradient, ten AdamW losses and the
// weights after them. Both precisions, reference and fused kernels.

#include <memory>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "autograd/ops.h"
#include "autograd/optimizer.h"
#include "core/io/safetensors.h"
#include "models/language.h"
#include "models/vision.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/read_integers.h"

namespace gmlp {

namespace {

struct Tolerance {
  double logits;     // norm-relative
  double gradients;  // norm-relative
  double losses;     // relative
  double weights;    // norm-relative, after ten steps
};

// f64 throughout 1e-10. In f32 the weights after ten steps are held to what ten updates of lr 1e-2
// make of gradients that differ by 1e-4: AdamW divides by sqrt(v), so small gradients are not small
// updates.
constexpr Tolerance kDouble{1e-10, 1e-10, 1e-10, 1e-10};
constexpr Tolerance kSingle{1e-5, 1e-4, 1e-5, 1e-3};

/// The key third of the tiny attention's bias has a gradient of exactly zero (it shifts all scores
/// of a row alike, which softmax undoes). What is computed there is rounding, which AdamW divides
/// by eps = 1e-8; so after training that third is not compared. The last bias of a Mixer's MLP over
/// tokens is like that: it shifts all channels of a token alike, which the next norms undo.
std::vector<Tensor> determined_parts(const std::string& name, const Tensor& value) {
  if (name.ends_with("mlp_tokens.fc2.bias")) return {};
  if (!name.ends_with("attn.qkv.bias")) return {value};
  const int64_t d_attn = value.elements() / 3;
  return {value.rows(0, d_attn), value.rows(2 * d_attn, 3 * d_attn)};
}

/// A model of either kind behind one face: one training step's loss on the case's only batch.
class Case {
 public:
  Case(const std::string& name, DType dtype, Backend backend)
      : file_(
            SafetensorsFile::open(fmt::format("{}/tests/golden/{}.{}.safetensors", GMLP_SOURCE_DIR,
                                              name, dtype == DType::kF64 ? "f64" : "f32"))),
        dtype_(dtype),
        backend_(backend) {
    const nlohmann::json config = nlohmann::json::parse(file_.metadata().at("case"));
    if (config.at("kind") == "vision") {
      make_vision(config.at("model"));
    } else {
      make_language(config.at("model"), config.at("batch").get<int64_t>());
    }
    for (Parameter* parameter : parameters()) {
      parameter->value.copy_from(file_.read("param." + parameter->name, dtype));
    }
  }

  const std::vector<Parameter*>& parameters() const {
    return vision_ ? vision_->parameters() : language_->parameters();
  }
  const SafetensorsFile& file() const { return file_; }

  /// Runs forward and backward; returns the loss, leaves the logits in `logits`.
  double run(Tensor* logits) {
    arena_.reset();
    Tape tape(arena_, backend_, true);
    Var out;
    Var loss;
    if (vision_) {
      out = vision_->forward(tape, images_, ForwardContext{});
      loss = cross_entropy(tape, out, targets_, 1.0);
    } else {
      // Training never makes logits: they come from a forward of their own.
      if (logits != nullptr) out = language_->forward(tape, ids_, batch_);
      loss = language_->loss(tape, ids_, target_ids_, batch_, 1.0);
    }
    tape.backward(loss);
    if (logits != nullptr) *logits = tape.value(out);
    return tape.value(loss).at(0);
  }

 private:
  void make_vision(const nlohmann::json& model) {
    VisionConfig config;
    const nlohmann::json& img = model.at("img");
    config.img_height = img.is_array() ? img[0].get<int64_t>() : img.get<int64_t>();
    config.img_width = img.is_array() ? img[1].get<int64_t>() : img.get<int64_t>();
    config.patch = model.at("patch");
    config.chans = model.at("chans");
    config.d_model = model.at("d");
    config.d_ffn = model.at("f");
    config.depth = model.at("depth");
    config.classes = model.at("classes");
    config.arch = kVisionArchs.from_name(model.value("arch", "gmlp"));
    config.heads = model.value("heads", int64_t{0});
    config.spatial_ffn = model.value("spatial_ffn", int64_t{0});
    config.class_token = config.is_vit();
    vision_ = std::make_unique<VisionModel>(config, dtype_, 1);
    images_ = file_.read("input", dtype_);
    const std::vector<int64_t> classes = test::read_integers(file_, "target");
    targets_ = Tensor::zeros(dtype_, {static_cast<int64_t>(classes.size()), config.classes});
    const Tensor one_hot = Tensor::zeros(DType::kF64, targets_.shape());
    for (size_t i = 0; i < classes.size(); ++i) {
      one_hot.data<double>()[static_cast<int64_t>(i) * config.classes + classes[i]] = 1;
    }
    targets_.copy_from(one_hot);
  }

  void make_language(const nlohmann::json& model, int64_t batch) {
    LanguageConfig config;
    config.vocab = model.at("vocab");
    config.depth = model.at("depth");
    config.block.tokens = model.at("n");
    config.block.d_model = model.at("d");
    config.block.d_ffn = model.at("f");
    config.block.gate = kGates.from_name(model.value("variant", "split"));
    config.block.toeplitz = model.value("toeplitz", false);
    config.block.causal = model.value("causal", false);
    config.block.d_attn = model.value("d_attn", int64_t{0});
    language_ = std::make_unique<LanguageModel>(config, dtype_, 1);
    ids_ = test::read_integers(file_, "input");
    target_ids_ = test::read_integers(file_, "target");
    batch_ = batch;
  }

  SafetensorsFile file_;
  DType dtype_;
  Backend backend_;
  Arena arena_;
  std::unique_ptr<VisionModel> vision_;
  std::unique_ptr<LanguageModel> language_;
  Tensor images_, targets_;
  std::vector<int64_t> ids_, target_ids_;
  int64_t batch_ = 0;
};

void check_case(const std::string& name, DType dtype, Backend backend) {
  const Tolerance tolerance = dtype == DType::kF64 ? kDouble : kSingle;
  Case golden(name, dtype, backend);
  const SafetensorsFile& file = golden.file();
  Tensor logits;
  const double loss = golden.run(&logits);
  CHECK(test::norm_relative(logits, file.read("logits", dtype)) <= tolerance.logits);
  CHECK(loss == Approx(file.read("loss", dtype).at(0)).epsilon(tolerance.losses).margin(0));
  for (const Parameter* parameter : golden.parameters()) {
    INFO("gradient of " << parameter->name);
    // Gradients that are zero up to rounding are compared on the scale of the others.
    const Tensor expected = file.read("grad." + parameter->name, dtype);
    CHECK(test::norm_relative(parameter->grad, expected, 1e-3) <= tolerance.gradients);
  }

  zero_gradients(golden.parameters());
  AdamWOptions options;
  options.eps = 1e-8;
  options.weight_decay = 0.05;
  AdamW optimizer(golden.parameters(), options);
  const Tensor losses = file.read("train_losses", DType::kF64);
  for (int64_t step = 0; step < losses.elements(); ++step) {
    INFO("step " << step);
    CHECK(golden.run(nullptr) == Approx(losses.at(step)).epsilon(tolerance.losses).margin(0));
    optimizer.step(1e-2, 1.0);
  }
  for (const Parameter* parameter : golden.parameters()) {
    INFO("trained " << parameter->name);
    const std::vector<Tensor> ours = determined_parts(parameter->name, parameter->value);
    const std::vector<Tensor> theirs =
        determined_parts(parameter->name, file.read("trained." + parameter->name, dtype));
    for (size_t i = 0; i < ours.size(); ++i) {
      CHECK(test::norm_relative(ours[i], theirs[i]) <= tolerance.weights);
    }
  }
}

const char* const kCases[] = {"vision_tiny",        "vision_rect",  "vision_vit",
                              "vision_mixer",       "mlm_split",    "mlm_split_toeplitz",
                              "mlm_multiplicative", "mlm_additive", "mlm_linear",
                              "mlm_amlp",           "causal_split", "causal_amlp"};

}  // namespace

TEST_CASE("golden cases in f64 agree with PyTorch to 1e-10", "[golden]") {
  for (const char* name : kCases) {
    SECTION(name) {
      check_case(name, DType::kF64, Backend::kReference);
    }
  }
}

TEST_CASE("golden cases in f32 agree with PyTorch on the reference kernels", "[golden]") {
  for (const char* name : kCases) {
    SECTION(name) {
      check_case(name, DType::kF32, Backend::kReference);
    }
  }
}

TEST_CASE("golden cases in f32 agree with PyTorch on the fused kernels", "[golden]") {
  for (const char* name : kCases) {
    SECTION(name) {
      check_case(name, DType::kF32, Backend::kFused);
    }
  }
}

}  // namespace gmlp
