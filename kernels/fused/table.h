#pragma once
// What one instruction set's object library offers; declared here once, listed in table.cpp.

#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

int64_t linear_workspace(const LinearShape& shape);
void linear_forward(float* y, const float* x, const float* weight, const float* bias,
                    void* workspace, const LinearShape& shape);
void linear_backward(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                     const float* weight, void* workspace, const LinearShape& shape);

int64_t block_workspace(const BlockShape& shape);
int64_t block_packed(const BlockShape& shape);
void block_forward(const BlockData& data, const BlockSaved& saved,
                   const BlockWeights<const float>& weights, void* workspace,
                   const BlockShape& shape);
void block_backward(const BlockData& data, const BlockWeights<float>& gradients,
                    const BlockSaved& saved, const BlockWeights<const float>& weights,
                    void* workspace, const BlockShape& shape);
void norm_fc1_gelu(void* z, const float* x, const BlockWeights<const float>& weights,
                   void* workspace, const BlockShape& shape);

int64_t linear_cross_entropy_workspace(const LinearCrossEntropyShape& shape);
void linear_cross_entropy_forward(float* loss_rows, float* top, float* sum, const float* x,
                                  const float* table, const float* bias, const int64_t* ids,
                                  void* workspace, const LinearCrossEntropyShape& shape);
void linear_cross_entropy_backward(float* dx, float* dtable, float* dbias, float dloss,
                                   const float* top, const float* sum, const float* x,
                                   const float* table, const float* bias, const int64_t* ids,
                                   void* workspace, const LinearCrossEntropyShape& shape);

void adamw_update(float* weight, float* m, float* v, float* grad, int64_t n,
                  const AdamWFactors& factors);

}  // namespace gmlp::fused::GMLP_ISA
