#pragma once
// The reference kernels: the definition of every op, as short Eigen expressions, for float and
// double. Everything faster is tested against them. Each op's file opens with its formulas.
//
// Argument order everywhere: outputs, incoming gradient, inputs, sizes. All arrays are row-major
// and dense. A kernel never allocates an output, throws or prints. Gradients of activations (dx)
// are written, those of parameters (dweight, dbias) are added to. A bias, its gradient, and the dx
// of linear, dropout and linear_cross_entropy may be nullptr.

#include <cstdint>

namespace gmlp::reference {

/// linear.cpp: y (R,O) = x (R,I) Wᵀ + b; weight (O,I); bias (O) or nullptr.
template <typename T>
void linear_forward(T* y, const T* x, const T* weight, const T* bias, int64_t rows, int64_t in,
                    int64_t out);
template <typename T>
void linear_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* weight,
                     int64_t rows, int64_t in, int64_t out);

/// layernorm.cpp: over rows of C; mean and rstd (R) are saved for the backward.
template <typename T>
void layernorm_forward(T* y, T* mean, T* rstd, const T* x, const T* gamma, const T* beta,
                       int64_t rows, int64_t cols, double eps);
template <typename T>
void layernorm_backward(T* dx, T* dgamma, T* dbeta, const T* dy, const T* x, const T* mean,
                        const T* rstd, const T* gamma, int64_t rows, int64_t cols);

/// gelu.cpp: y = x Φ(x), n elements.
template <typename T>
void gelu_forward(T* y, const T* x, int64_t n);
template <typename T>
void gelu_backward(T* dx, const T* dy, const T* x, int64_t n);

/// spatial_gate.cpp: y[b] (N,E) = W x[b] + bias[:,None] with a dense W (N,N).
template <typename T>
void spatial_project_forward(T* y, const T* x, const T* weight, const T* bias, int64_t batch,
                             int64_t tokens, int64_t width);
template <typename T>
void spatial_project_backward(T* dx, T* dweight, T* dbias, const T* dy, const T* x, const T* weight,
                              int64_t batch, int64_t tokens, int64_t width);
/// The dense W (N,N) of a stored weight: (N,N) or, Toeplitz, (2N-1); causal zeroes j > i.
template <typename T>
void spatial_weight_expand(T* dense, const T* stored, int64_t tokens, bool toeplitz, bool causal);
template <typename T>
void spatial_weight_expand_backward(T* dstored, const T* ddense, int64_t tokens, bool toeplitz,
                                    bool causal);

/// attention.cpp: qkv (B,N,3D), bias (H,2N-1) or nullptr -> y (B,N,D); probs (B,H,N,N) is saved.
/// H = heads divides D = width. dbias is nullptr if bias is.
template <typename T>
void head_attention_forward(T* y, T* probs, const T* qkv, const T* bias, int64_t batch,
                            int64_t tokens, int64_t width, int64_t heads, bool causal);
template <typename T>
void head_attention_backward(T* dqkv, T* dbias, T* dscores, const T* dy, const T* probs,
                             const T* qkv, int64_t batch, int64_t tokens, int64_t width,
                             int64_t heads);
/// The tiny attention: one head, no bias.
template <typename T>
void attention_forward(T* y, T* probs, const T* qkv, int64_t batch, int64_t tokens, int64_t d_attn,
                       bool causal) {
  head_attention_forward<T>(y, probs, qkv, nullptr, batch, tokens, d_attn, 1, causal);
}
template <typename T>
void attention_backward(T* dqkv, T* dscores, const T* dy, const T* probs, const T* qkv,
                        int64_t batch, int64_t tokens, int64_t d_attn) {
  head_attention_backward<T>(dqkv, nullptr, dscores, dy, probs, qkv, batch, tokens, d_attn, 1);
}
/// The same without q and k: v (B,N,D), bias (H,2N-1) -> y (B,N,D); probs (H,N,N) is saved.
template <typename T>
void position_attention_forward(T* y, T* probs, const T* v, const T* bias, int64_t batch,
                                int64_t tokens, int64_t width, int64_t heads, bool causal);
template <typename T>
void position_attention_backward(T* dv, T* dbias, T* dscores, const T* dy, const T* probs,
                                 const T* v, int64_t batch, int64_t tokens, int64_t width,
                                 int64_t heads);

/// patchify.cpp: images (B,C,H,W) -> patches (B,N,C*P*P).
template <typename T>
void patchify_forward(T* patches, const T* images, int64_t batch, int64_t chans, int64_t height,
                      int64_t width, int64_t patch);

/// embedding.cpp: y (R,D) = table[ids]; table (V,D).
template <typename T>
void embedding_forward(T* y, const int64_t* ids, const T* table, int64_t rows, int64_t width);
template <typename T>
void embedding_backward(T* dtable, const T* dy, const int64_t* ids, int64_t rows, int64_t width);

/// tokens.cpp: between (B,N,D) and its tokens.
template <typename T>
void mean_pool_forward(T* y, const T* x, int64_t batch, int64_t tokens, int64_t width);
template <typename T>
void mean_pool_backward(T* dx, const T* dy, int64_t batch, int64_t tokens, int64_t width);
template <typename T>
void prepend_token_forward(T* y, const T* x, const T* token, int64_t batch, int64_t tokens,
                           int64_t width);
template <typename T>
void prepend_token_backward(T* dx, T* dtoken, const T* dy, int64_t batch, int64_t tokens,
                            int64_t width);
template <typename T>
void select_token_forward(T* y, const T* x, int64_t position, int64_t batch, int64_t tokens,
                          int64_t width);
template <typename T>
void select_token_backward(T* dx, const T* dy, int64_t position, int64_t batch, int64_t tokens,
                           int64_t width);
template <typename T>
void add_positions_forward(T* y, const T* x, const T* table, int64_t batch, int64_t size);
template <typename T>
void add_positions_backward(T* dtable, const T* dy, int64_t batch, int64_t size);
template <typename T>
void transpose_tokens_forward(T* y, const T* x, int64_t batch, int64_t tokens, int64_t width);

/// dropout.cpp: n elements; x and dx are nullptr without a shortcut. Each dropout of a model has
/// its own site, below 4096.
struct DropoutKey {
  double rate = 0;  // in [0, 1)
  uint64_t seed = 0;
  int64_t step = 0;
  int64_t site = 0;
};
template <typename T>
void dropout_forward(T* y, const T* x, const T* z, int64_t n, const DropoutKey& key);
template <typename T>
void dropout_backward(T* dx, T* dz, const T* dy, int64_t n, const DropoutKey& key);

/// elementwise.cpp
template <typename T>
void split_half_forward(T* y, const T* x, bool second, int64_t rows,
                        int64_t width);  // x (R, 2*width)
template <typename T>
void split_half_backward(T* dx, const T* dy, bool second, int64_t rows, int64_t width);
template <typename T>
void add_forward(T* y, const T* a, const T* b, int64_t n);
template <typename T>
void multiply_forward(T* y, const T* a, const T* b, int64_t n);
template <typename T>
void scale_samples_forward(T* y, const T* x, const double* scales, int64_t batch, int64_t size);

/// cross_entropy.cpp: loss_rows (R), probs (R,C) saved; see the file.
template <typename T>
void cross_entropy_forward(T* loss_rows, T* probs, const T* logits, const T* targets, int64_t rows,
                           int64_t classes);
template <typename T>
void cross_entropy_backward(T* dlogits, double dloss, const T* probs, const T* targets,
                            int64_t rows, int64_t classes);
template <typename T>
void cross_entropy_ids_forward(T* loss_rows, T* probs, const T* logits, const int64_t* ids,
                               int64_t rows, int64_t classes);
template <typename T>
void cross_entropy_ids_backward(T* dlogits, double dloss, const T* probs, const int64_t* ids,
                                int64_t rows, int64_t classes);

/// linear_cross_entropy.cpp: the rows x (R,D) that are scored against a table (V,D) and bias (V)
/// or nullptr, one id per row; loss_rows (R); top and sum (R) are saved. `z` holds
/// linear_cross_entropy_room() numbers.
int64_t linear_cross_entropy_room(int64_t rows, int64_t vocab);
template <typename T>
void linear_cross_entropy_forward(T* loss_rows, T* top, T* sum, const T* x, const T* table,
                                  const T* bias, const int64_t* ids, T* z, int64_t rows,
                                  int64_t width, int64_t vocab);
template <typename T>
void linear_cross_entropy_backward(T* dx, T* dtable, T* dbias, double dloss, const T* top,
                                   const T* sum, const T* x, const T* table, const T* bias,
                                   const int64_t* ids, T* z, int64_t rows, int64_t width,
                                   int64_t vocab);

/// adamw.cpp: one tensor of n elements.
struct AdamWStep {
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
  double grad_scale;
  double correction1;  // 1 - beta1^t
  double correction2;  // 1 - beta2^t
};
template <typename T>
void adamw_update(T* weight, T* m, T* v, const T* grad, int64_t n, const AdamWStep& step);
/// The sum of squares, in double: sixteen sums side by side, then their sum.
template <typename T>
double sum_of_squares(const T* x, int64_t n);

}  // namespace gmlp::reference
