#pragma once
// The API of the fused kernels: a table of functions per instruction set, chosen at run time. The
// sources in kernels/fused and gemm are compiled once for each, into a namespace of its own.

#include <cstdint>
#include <vector>

namespace gmlp {

/// Table 3 of the paper: how the gate g = W v̂ + b combines with u. Only split halves the width.
///   split           z = (u, v)     s = u * g
///   multiplicative  u = v = z      s = u * g
///   additive        u = v = z      s = u + g
///   linear          v = z          s = g
enum class Gate : uint8_t { kSplit, kMultiplicative, kAdditive, kLinear };

}  // namespace gmlp

namespace gmlp::fused {

/// In bf16 products multiply bf16 if the processor has instructions for it (Kernels::has_bf16_dot),
/// and a gMLP block saves h and t as bf16. Weights, their gradients, the shortcut, statistics and
/// sums are f32 in both.
enum class Precision : uint8_t { kF32, kBf16 };

/// A linear layer: x (rows, in) -> y (rows, out). The fused loss projects in f32 alone.
struct LinearShape {
  int64_t rows;
  int64_t in;
  int64_t out;
  Precision precision = Precision::kF32;
};

/// Rows of x (rows, width) are normalized.
struct LayerNormShape {
  int64_t rows;
  int64_t width;
  float eps;
};

/// Attention of H heads, which divide D = width. kernels/reference/attention.h has the formulas.
struct AttentionShape {
  int64_t batch;        // B
  int64_t tokens;       // N
  int64_t width;        // D
  int64_t heads;        // H
  bool content = true;  // else scores are biases alone, and a row of qkv is v
  bool causal = false;
  Precision precision = Precision::kF32;

  int64_t parts() const { return content ? 3 : 1; }  // of a row of qkv, each D wide
};

/// A batch through one gMLP block. E = d_ffn / 2 for the split gate, else d_ffn. In bf16 D and E
/// must be even on every processor: see bf16_fits().
struct BlockShape {
  int64_t batch;    // B
  int64_t tokens;   // N
  int64_t d_model;  // D
  int64_t d_ffn;    // F
  float norm_eps;
  float gate_eps;
  Gate gate = Gate::kSplit;
  bool causal = false;  // W is zero above its diagonal, where nothing is computed
  Precision precision = Precision::kF32;
};
inline bool bf16_fits(int64_t d_model, int64_t gate_width) {
  return d_model % 2 == 0 && gate_width % 2 == 0;
}

template <typename Field>
struct WeightAndBias {
  Field weight = {};
  Field bias = {};
};
/// One value per parameter of a block: Field is a pointer to its weights, a pointer to their
/// gradients, a size, or whatever else a caller keeps per parameter. W is dense, (N, N).
template <typename Field>
struct BlockWeights {
  WeightAndBias<Field> norm = {};       // (D), (D)
  WeightAndBias<Field> fc1 = {};        // (F, D), (F)
  WeightAndBias<Field> gate_norm = {};  // (E), (E)
  WeightAndBias<Field> spatial = {};    // (N, N), (N)
  WeightAndBias<Field> fc2 = {};        // (D, E), (D)
};

/// Calls visit(fields...) for each of the ten parameters, with that field of every one of `blocks`.
template <typename Visit, typename... Blocks>
__attribute__((always_inline)) static inline void for_each_weight(const Visit& visit,
                                                                  Blocks&&... blocks) {
  const auto both = [&](auto&... layers) __attribute__((always_inline)) {
    visit(layers.weight...);
    visit(layers.bias...);
  };
  both(blocks.norm...);
  both(blocks.fc1...);
  both(blocks.gate_norm...);
  both(blocks.spatial...);
  both(blocks.fc2...);
}

/// What the forward saves for the backward besides the block's input. h and t are in `precision`.
struct BlockSaved {
  float* mean = nullptr;       // (B N) of the input
  float* rstd = nullptr;       // (B N)
  void* h = nullptr;           // (B N, F), before GELU
  void* t = nullptr;           // (B N, E), W v̂ without the bias
  float* gate_mean = nullptr;  // (B N)
  float* gate_rstd = nullptr;  // (B N)
};

/// The block's inputs and outputs besides its weights. Pointers of the other direction are nullptr.
struct BlockData {
  const float* x = nullptr;            // (B,N,D)
  float* y = nullptr;                  // (B,N,D), forward
  const float* drop_scales = nullptr;  // (B), multiply the branch; or nullptr
  const float* gate_extra = nullptr;   // (B,N,E), the tiny attention's; or nullptr
  const float* dy = nullptr;           // (B,N,D), backward
  float* dx = nullptr;                 // (B,N,D), backward; may be dy
  float* dgate_extra = nullptr;        // (B,N,E), backward; nullptr if gate_extra is
  // The forward's packed weights, block_packed() bytes that outlive the call. With nullptr they are
  // packed into the workspace.
  void* packed = nullptr;
  bool is_packed = false;  // by an earlier call
};

/// The factors of one step of AdamW, for one tensor; kernels/reference/adamw.h has the formulas.
template <typename T>
struct AdamWStep {
  T decay_factor;  // 1 - lr * decay
  T beta1, beta2;
  T one_minus_beta1, one_minus_beta2;
  T step_size;              // lr / (1 - beta1^t)
  T sqrt_bias_correction2;  // sqrt(1 - beta2^t)
  T inv_sqrt_bias_correction2;
  T eps;
  T grad_scale;
};

/// The kernels of one instruction set. float* are f32; void* are f32 or bf16, as BlockShape says.
/// Arguments are outputs, incoming gradient, inputs, workspace, sizes. dx is written, gradients of
/// weights are added to. In linear_backward dx, bias and dbias may be nullptr.
struct Kernels {
  const char* isa;
  /// Whether products in bf16 precision multiply bf16. Otherwise they multiply f32, and only what
  /// is saved is bf16.
  bool has_bf16_dot;
  int64_t (*linear_workspace)(const LinearShape& shape);  // bytes, for forward and backward
  void (*linear_forward)(float* y, const float* x, const float* weight, const float* bias,
                         void* workspace, const LinearShape& shape);
  void (*linear_backward)(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                          const float* weight, void* workspace, const LinearShape& shape);

  /// gamma and beta are (width), mean and rstd (rows).
  int64_t (*layernorm_workspace)(const LayerNormShape& shape);  // bytes, for the backward
  void (*layernorm_forward)(float* y, float* mean, float* rstd, const float* x, const float* gamma,
                            const float* beta, const LayerNormShape& shape);
  void (*layernorm_backward)(float* dx, float* dgamma, float* dbeta, const float* dy,
                             const float* x, const float* mean, const float* rstd,
                             const float* gamma, void* workspace, const LayerNormShape& shape);

  /// qkv (B,N,3D) or v -> y (B,N,D). lse (B,H,N), the log-sum-exp of each row of scores, is saved.
  /// bias (H,2N-1) and dbias may be nullptr.
  int64_t (*attention_workspace)(const AttentionShape& shape);  // bytes, for forward and backward
  void (*attention_forward)(float* y, float* lse, const float* qkv, const float* bias,
                            void* workspace, const AttentionShape& shape);
  void (*attention_backward)(float* dqkv, float* dbias, const float* dy, const float* y,
                             const float* lse, const float* qkv, const float* bias, void* workspace,
                             const AttentionShape& shape);

  int64_t (*block_workspace)(const BlockShape& shape);  // bytes, for forward and backward
  int64_t (*block_packed)(const BlockShape& shape);     // bytes of BlockData::packed
  /// If all of `saved` is nullptr, nothing is saved.
  void (*block_forward)(const BlockData& data, const BlockSaved& saved,
                        const BlockWeights<const float*>& weights, void* workspace,
                        const BlockShape& shape);
  void (*block_backward)(const BlockData& data, const BlockWeights<float*>& gradients,
                         const BlockSaved& saved, const BlockWeights<const float*>& weights,
                         void* workspace, const BlockShape& shape);
  /// One step of one tensor of n numbers. Zeroes its gradient.
  void (*adamw_update)(float* weight, float* m, float* v, float* grad, int64_t n,
                       const AdamWStep<float>& step);

  /// Cross-entropy of a projection, with one id per row. loss_rows, top and sum are (rows), bias is
  /// (out) or nullptr. The backward reads the forward's top and sum; dx and dbias may be nullptr.
  int64_t (*linear_cross_entropy_workspace)(const LinearShape& shape);  // bytes, for both
  void (*linear_cross_entropy_forward)(float* loss_rows, float* top, float* sum, const float* x,
                                       const float* table, const float* bias, const int64_t* ids,
                                       void* workspace, const LinearShape& shape);
  void (*linear_cross_entropy_backward)(float* dx, float* dtable, float* dbias, float dloss,
                                        const float* top, const float* sum, const float* x,
                                        const float* table, const float* bias, const int64_t* ids,
                                        void* workspace, const LinearShape& shape);

  /// y = GELU(x) and dx = dy GELU'(x) of n numbers, for the baselines' blocks; in bf16 with the
  /// error that a block in this precision allows.
  void (*gelu_forward)(float* y, const float* x, int64_t n, Precision precision);
  void (*gelu_backward)(float* dx, const float* dy, const float* x, int64_t n, Precision precision);

  // Probes for tests and benchmarks, and for the machine's peak.
  void (*vector_exp)(float* y, const float* x, int64_t n);
  /// z (R,F) = GELU(layernorm(x) W1ᵀ + b1), the first stage of the block; R = batch * tokens. z is
  /// bf16 if products multiply it. If a row of F is a multiple of 2 KB, each row of z
  /// has 64 bytes of padding. A first call with z = nullptr packs the weight.
  void (*norm_fc1_gelu)(void* z, const float* x, const BlockWeights<const float*>& weights,
                        void* workspace, const BlockShape& shape);
  /// `iterations` rounds of independent multiply-adds on registers. Returns their FLOPs.
  double (*fma_burst)(int64_t iterations);
  double (*bf16_burst)(int64_t iterations);  // the same in bf16 precision
};

/// Whether the processor has AMX's matrix registers, and the system lets this process use them.
enum class Amx : uint8_t { kNone, kRefused, kAllowed };
Amx amx_state();

/// The table in use: the best that this processor runs, or the one that GMLP_ISA names. Throws
/// InputError if GMLP_ISA names none, or one that this processor lacks.
const Kernels& kernels();
/// Every table that this processor runs, best first; those for tests alone last.
std::vector<const Kernels*> available_kernels();

}  // namespace gmlp::fused

namespace gmlp {
/// The name of the instruction set in use: "avx2", "scalar", ...
inline const char* isa_name() {
  return fused::kernels().isa;
}
}  // namespace gmlp
