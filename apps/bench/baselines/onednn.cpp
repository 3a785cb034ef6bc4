// oneDNN (version 2): dnnl::matmul, the fastest product that Debian has on most processors.

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include <fmt/format.h>

#include "apps/bench/baselines/baseline.h"

namespace gmlp {

namespace {

using Memory = dnnl::memory;
using Type = dnnl::memory::data_type;
using Layout = dnnl::memory::format_tag;

/// A view of an f32 tensor.
Memory over(const dnnl::engine& engine, const Tensor& tensor, const Memory::dims& dims) {
  const Layout layout = dims.size() == 1 ? Layout::a : Layout::ab;
  return Memory({dims, Type::f32, layout}, engine, tensor.data<float>());
}

/// Copies, and converts type and layout.
void reorder(dnnl::stream stream, Memory from, Memory to) {
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
}

/// dnnl::matmul with B reordered before the timing into the layout that oneDNN prefers, and bias
/// and exact GELU in the same pass. C is bf16 after a bf16 product with GELU, as in a block, else
/// f32.
Contender matmul(const Product& product) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const dnnl::stream stream(engine);
  const Memory::dims a_dims{product.m, product.k};
  const Memory::dims b_dims{product.k, product.n};
  const Memory::dims c_dims{product.m, product.n};
  const Memory::dims bias_dims{1, product.n};
  const Type type = product.bf16 ? Type::bf16 : Type::f32;
  const Type c_type = product.bf16 && product.gelu ? Type::bf16 : Type::f32;
  const Memory::desc a_desc(a_dims, type, Layout::ab);
  const Memory::desc b_desc(b_dims, type, Layout::any);
  const Memory::desc c_desc(c_dims, c_type, Layout::ab);
  const Memory::desc bias_desc(bias_dims, Type::f32, Layout::ab);

  dnnl::primitive_attr attributes;
  dnnl::post_ops after;
  if (product.gelu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
  attributes.set_post_ops(after);
  const dnnl::matmul::primitive_desc chosen(
      product.gelu ? dnnl::matmul::desc(a_desc, b_desc, bias_desc, c_desc)
                   : dnnl::matmul::desc(a_desc, b_desc, c_desc),
      attributes, engine);
  const Memory a(chosen.src_desc(), engine);
  const Memory b(chosen.weights_desc(), engine);
  const Memory c(chosen.dst_desc(), engine);
  reorder(stream, over(engine, product.a, a_dims), a);
  reorder(stream, over(engine, product.b, b_dims), b);
  std::unordered_map<int, Memory> arguments = {
      {DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}};
  if (product.gelu) arguments[DNNL_ARG_BIAS] = over(engine, product.bias, bias_dims);

  const auto run = [=, keep = product.bias, primitive = dnnl::matmul(chosen)] {
    dnnl::stream queue = stream;
    primitive.execute(queue, arguments);
    queue.wait();
  };
  const auto result = [=] {
    Tensor numbers = Tensor::zeros(DType::kF32, Shape{c_dims[0], c_dims[1]});
    reorder(stream, c, over(engine, numbers, c_dims));
    return numbers;
  };
  return {"", run, result};
}

const char* isa() {
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  if (isa == dnnl::cpu_isa::avx512_core_amx) return "avx512 amx";
  if (isa == dnnl::cpu_isa::avx512_core_bf16) return "avx512 bf16";
  if (isa == dnnl::cpu_isa::avx512_core_vnni || isa == dnnl::cpu_isa::avx512_core) return "avx512";
  return isa == dnnl::cpu_isa::avx2 ? "avx2" : "another instruction set";
}

Contender prepare_onednn(const Product& product) {
  try {
    return matmul(product);
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return {};  // no bf16 on this processor
    throw;
  }
}

}  // namespace

Baseline onednn_baseline() {
  const dnnl_version_t* v = dnnl_version();
  return {"oneDNN", fmt::format("{}.{}.{}, {}", v->major, v->minor, v->patch, isa()),
          prepare_onednn};
}

}  // namespace gmlp
