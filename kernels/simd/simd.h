#pragma once
// The vector vocabulary that the fused kernels are written in: F32x16, sixteen f32 lanes, which is
// one zmm, two ymm, four NEON registers or a plain array. Loads and stores take a count where an
// edge may be cut, so no kernel has a tail loop. A "word" is 32 bits of a GEMM operand: one f32, or
// two bf16 that stand next to each other in k; F32x16 carries sixteen of either. Pairs are for
// processors that multiply them (GMLP_HAS_BF16_DOT), and for the plain array; elsewhere products
// take f32 in bf16 precision, too (Bf16Operand).
//
// Each header sets seven names of its instruction set: kIsaName, Bf16Operand, and for products
// kMR and kNRVectors (the register tile), kMCTiles (row tiles that a task takes),
// kUnroll (words of a product between two tests of its loop) and kOverlapEpilogue (whether a tile's
// epilogue runs beside the next tile's product).
//
// A kernel source is compiled once per instruction set, with GMLP_ISA set to the namespace it fills
// (scalar, avx2, ...). Everything here is static: two objects compiled with different -m flags must
// never share a function, or the linker would keep one of them for both.

#include <cstdint>

#include "core/bf16.h"

#define GMLP_INLINE static inline __attribute__((always_inline))

#if defined(GMLP_ISA_AVX512) || defined(GMLP_ISA_AVX512BF16)
#  include "kernels/simd/simd_avx512.h"
#elif defined(GMLP_ISA_AVX2)
#  include "kernels/simd/simd_avx2.h"
#elif defined(GMLP_ISA_NEON)
#  include "kernels/simd/simd_neon.h"
#elif defined(GMLP_ISA_SCALAR)
#  include "kernels/simd/simd_scalar.h"
#else
#  error "a kernel source is compiled by kernels/isas.cmake, once per instruction set"
#endif
