#pragma once
// The reference kernels: the definition of every op for float and double, as short Eigen
// expressions, a page per op or per kind of small ops. Everything faster is tested against them.
//
// Arguments are outputs, incoming gradient, inputs, sizes. All arrays are row-major and dense. A
// kernel never allocates an output, throws or prints. Gradients of activations (dx) are written,
// those of parameters (dweight, dbias) are added to. A bias, its gradient, and the dx of linear and
// dropout may be nullptr.

#include "kernels/reference/adamw.h"
#include "kernels/reference/attention.h"
#include "kernels/reference/cross_entropy.h"
#include "kernels/reference/dropout.h"
#include "kernels/reference/elementwise.h"
#include "kernels/reference/layernorm.h"
#include "kernels/reference/linear.h"
#include "kernels/reference/spatial_gate.h"
#include "kernels/reference/tokens.h"
