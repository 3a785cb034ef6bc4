// One gMLP block, chunk by chunk: three fused kernels forward, and their backwards in reverse.
//
//   forward    norm_fc1_gelu -> spatial_gate -> fc2_residual
//   backward   fc2_residual -> spatial_gate -> norm_fc1_gelu
//
// The weights are packed once per call, for all chunks: D F + D E numbers against R (D F + D E)
// multiply-adds. For one image that is a tenth of the time, so a caller whose weights do not change
// keeps them packed (BlockData::packed).

#include "core/profile.h"
#include "kernels/fused/fc2_residual.h"
#include "kernels/fused/norm_fc1_gelu.h"
#include "kernels/fused/spatial_gate.h"

namespace gmlp::fused::GMLP_ISA {

namespace {

template <typename Operand, typename Saved>
void forward(const BlockData& data, const BlockSaved& saved, const BlockWeights<const float*>& w,
             void* workspace, const BlockShape& block) {
  const ChunkShape shape = chunk_shape<Operand>(block);
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  WorkspaceAllocator packed{static_cast<char*>(data.packed)};
  ForwardWorkspace<Operand> ws{data.packed == nullptr ? allocator : packed, allocator, shape};
  if (!data.is_packed) {
    pack_b<Operand>(ws.w1, w.fc1.weight, shape.d_model, shape.d_model, true);
    pack_b<Operand>(ws.w2, w.fc2.weight, shape.d_gate, shape.d_gate, true);
    pack_weight_tiles(ws.w, w.spatial.weight, shape.tokens, false);
    profile_mark("forward pack weights");
  }
  for (int64_t first = 0; first < shape.batch; first += shape.samples) {
    const Chunk<Operand, Saved> chunk =
        Chunk<Operand, Saved>::at(shape, data, saved, ws.stats, first);
    // Since their last use the weights of all other blocks have been through the caches.
    ws.w1.cold = ws.w2.cold = data.is_packed && first == 0;
    norm_fc1_gelu_forward(chunk, ws, w);
    profile_mark("forward norm_fc1_gelu");
    spatial_gate_forward(chunk, ws, w);
    profile_mark("forward spatial_gate");
    fc2_residual_forward(chunk, ws, w);
    profile_mark("forward fc2_residual");
  }
}

/// Calls body(grad, partial, count) for each vector of the gradients that have a partial sum.
template <typename Body>
void each_partial(const BlockWeights<float*>& grad, const BlockWeights<float*>& partial_grad,
                  const ChunkShape& shape, const Body& body) {
  const int64_t d = shape.d_model;
  const BlockWeights<int64_t> sizes = {.fc1 = {shape.d_ffn * d, shape.d_ffn},
                                       .spatial = {shape.tokens * shape.tokens, shape.tokens},
                                       .fc2 = {d * shape.d_gate, d}};
  constexpr int64_t kTasks = 16;
  parallel_tasks(kTasks, [&](const TaskSlot& slot) {
    // Not inlined ten times.
    const auto one_weight = [&](float* sum, float* partial, int64_t size)
        __attribute__((noinline)) {
      const int64_t vectors = ceil_div(size, kLanes);
      const int64_t begin = vectors * slot.task / kTasks * kLanes;
      const int64_t end = min(vectors * (slot.task + 1) / kTasks * kLanes, size);
      for (int64_t i = begin; i < end; i += kLanes) {
        body(sum + i, partial + i, min(kLanes, end - i));
      }
    };
    for_each_weight(one_weight, grad, partial_grad, sizes);
  });
}

template <typename Operand, typename Saved>
void backward(const BlockData& data, const BlockWeights<float*>& grad, const BlockSaved& saved,
              const BlockWeights<const float*>& w, void* workspace, const BlockShape& block) {
  const ChunkShape shape = chunk_shape<Operand>(block);
  WorkspaceAllocator allocator{static_cast<char*>(workspace)};
  const BackwardWorkspace<Operand> ws{allocator, shape};
  pack_b<Operand>(ws.w1, w.fc1.weight, shape.d_model, shape.d_ffn, false);
  pack_b<Operand>(ws.w2, w.fc2.weight, shape.d_gate, shape.d_model, false);
  pack_weight_tiles(ws.w_transposed, w.spatial.weight, shape.tokens, true);
  profile_mark("backward pack weights");
  const bool is_split = shape.samples > 1 || row_tasks(shape.tokens) > 1;
  if (is_split) {
    each_partial(grad, ws.partial_grad, shape,
                 [](float*, float* partial, int64_t count) { store(partial, zero(), count); });
    profile_mark("backward partial dW");
  }
  for (int64_t first = 0; first < shape.batch; first += shape.samples) {
    const Chunk<Operand, Saved> chunk =
        Chunk<Operand, Saved>::at(shape, data, saved, nullptr, first);
    const SplitB gated = split_b<Operand>(ws.panels, chunk.rows, shape.d_gate);
    fc2_residual_backward(gated, chunk, ws, w);
    profile_mark("backward fc2_residual");
    fc2_residual_weight(grad, gated, chunk, ws);
    profile_mark("backward fc2_residual, dW");
    spatial_backward_input(chunk, ws);
    profile_mark("backward spatial_gate");
    gate_norm_backward(grad, chunk, ws, w);
    profile_mark("backward gate norm, GELU");
    spatial_gate_weight(grad, chunk, ws);
    profile_mark("backward spatial_gate, dW");
    norm_fc1_gelu_weight(grad, chunk, ws, w);
    profile_mark("backward norm_fc1_gelu, dW");
    norm_fc1_gelu_backward(grad, chunk, ws, w);
    profile_mark("backward norm_fc1_gelu");
  }
  if (is_split) {
    each_partial(grad, ws.partial_grad, shape, [](float* sum, float* partial, int64_t count) {
      store(sum, load(sum, count) + load(partial, count), count);
    });
    profile_mark("backward partial dW");
  }
}

}  // namespace

int64_t block_workspace(const BlockShape& block) {
  return dispatch_precision(block.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    const ChunkShape shape = chunk_shape<Operand>(block);
    WorkspaceAllocator forward;
    static_cast<void>(ForwardWorkspace<Operand>{forward, forward, shape});
    WorkspaceAllocator backward;
    static_cast<void>(BackwardWorkspace<Operand>{backward, shape});
    return max(forward.used, backward.used);
  });
}

int64_t block_packed(const BlockShape& block) {
  return dispatch_precision(block.precision, [&]<typename Operand>(Operand, auto /*saved*/) {
    const ChunkShape shape = chunk_shape<Operand>(block);
    WorkspaceAllocator weights;
    WorkspaceAllocator others;
    static_cast<void>(ForwardWorkspace<Operand>{weights, others, shape});
    return weights.used;
  });
}

void block_forward(const BlockData& data, const BlockSaved& saved,
                   const BlockWeights<const float*>& w, void* workspace, const BlockShape& shape) {
  dispatch_precision(shape.precision, [&]<typename Operand, typename Saved>(Operand, Saved) {
    forward<Operand, Saved>(data, saved, w, workspace, shape);
  });
}

void block_backward(const BlockData& data, const BlockWeights<float*>& grad,
                    const BlockSaved& saved, const BlockWeights<const float*>& w, void* workspace,
                    const BlockShape& shape) {
  dispatch_precision(shape.precision, [&]<typename Operand, typename Saved>(Operand, Saved) {
    backward<Operand, Saved>(data, grad, saved, w, workspace, shape);
  });
}

void norm_fc1_gelu(void* z, const float* x, const BlockWeights<const float*>& w, void* workspace,
                   const BlockShape& block) {
  dispatch_precision(block.precision, [&]<typename Operand, typename Saved>(Operand, Saved) {
    const ChunkShape shape = chunk_shape<Operand>(block);
    WorkspaceAllocator allocator{static_cast<char*>(workspace)};
    ForwardWorkspace<Operand> ws{allocator, allocator, shape};
    if (z == nullptr) {
      pack_b<Operand>(ws.w1, w.fc1.weight, shape.d_model, shape.d_model, true);
      return;
    }
    for (int64_t first = 0; first < shape.batch; first += shape.samples) {
      const Chunk<Operand, Saved> chunk =
          Chunk<Operand, Saved>::at(shape, {.x = x}, {}, ws.stats, first);
      ws.z = static_cast<Operand*>(z) + first * shape.tokens * shape.f_stride;
      norm_fc1_gelu_forward(chunk, ws, w);
    }
  });
}

}  // namespace gmlp::fused::GMLP_ISA
