#pragma once
// gMLP for C++ programs: everything that the library offers. Each header documents shapes, units
// and errors.
//
// Errors are exceptions: InputError for wrong input, RunError for a failed system call
// (core/error.h), std::logic_error for a call that contradicts the headers, such as tensors of
// other shapes than an op needs, and std::bad_alloc. One thread at a time computes. Inside, the ops
// use set_thread_count() threads of OpenMP, all by default. Waiting threads of libgomp spin for a
// long time. On a machine with other work, start the program with GOMP_SPINCOUNT=2300, or call
// limit_spinning(argv) first in main(): libgomp reads it before main() begins, so that call
// executes the program again. OMP_WAIT_POLICY=passive never spins, and is slower.
// flush_denormals(), at the start of a training program, keeps tiny numbers from slowing it down.

#include "autograd/ops.h"         // the differentiable ops
#include "autograd/optimizer.h"   // AdamW, learning rate schedules, average of the weights
#include "autograd/tape.h"        // Tape: records a forward, runs its backward
#include "core/arena.h"           // Arena: the memory of a step's activations
#include "core/error.h"           // InputError, RunError
#include "core/io/npy.h"          // read_npy, write_npy
#include "core/io/safetensors.h"  // read and write safetensors files
#include "core/parallel.h"        // threads, and how they wait
#include "core/random.h"          // Random: numbers as a function of (seed, purpose, step, sample)
#include "core/tensor.h"          // Tensor, Shape, DType
#include "kernels/kernels.h"      // isa_name(), and the raw kernels behind the ops
#include "models/baselines.h"     // make_blocks: gMLP, Transformer, MLP-Mixer
#include "models/checkpoint/checkpoint.h"   // save and open checkpoint folders
#include "models/checkpoint/load_models.h"  // models from checkpoints and weight files
#include "models/decoder.h"                 // Decoder, Generator: text from causal models
#include "models/gmlp_block.h"              // GmlpBlock: the paper's block
#include "models/language.h"                // LanguageModel
#include "models/layers.h"                  // ParameterList, Linear, LayerNorm
#include "models/vision.h"                  // VisionModel
#include "version.h"                        // GMLP_VERSION_MAJOR, _MINOR, _PATCH, _STRING
