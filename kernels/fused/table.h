#pragma once
// The functions of one instruction set that table.cpp lists. Each has the type of its field in
// Kernels, where its arguments are documented.

#include <type_traits>

#include "kernels/kernels.h"

namespace gmlp::fused::GMLP_ISA {

template <typename Field>
using Function = std::remove_pointer_t<Field>;

Function<decltype(Kernels::linear_workspace)> linear_workspace;
Function<decltype(Kernels::linear_forward)> linear_forward;
Function<decltype(Kernels::linear_backward)> linear_backward;
Function<decltype(Kernels::block_workspace)> block_workspace;
Function<decltype(Kernels::block_packed)> block_packed;
Function<decltype(Kernels::block_forward)> block_forward;
Function<decltype(Kernels::block_backward)> block_backward;
Function<decltype(Kernels::norm_fc1_gelu)> norm_fc1_gelu;
Function<decltype(Kernels::linear_cross_entropy_workspace)> linear_cross_entropy_workspace;
Function<decltype(Kernels::linear_cross_entropy_forward)> linear_cross_entropy_forward;
Function<decltype(Kernels::linear_cross_entropy_backward)> linear_cross_entropy_backward;
Function<decltype(Kernels::adamw_update)> adamw_update;

}  // namespace gmlp::fused::GMLP_ISA
