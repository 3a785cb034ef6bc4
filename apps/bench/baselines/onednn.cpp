// oneDNN (version 2): dnnl::matmul, the fastest product that Debian has on most processors.

#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include <fmt/format.h>

#include "apps/bench/baselines/libraries.h"

namespace gmlp {

namespace {

using Memory = dnnl::memory;
using Type = dnnl::memory::data_type;
using Layout = dnnl::memory::format_tag;

Memory over(const dnnl::engine& engine, const Tensor& tensor, const Memory::dims& dims) {
  const Layout layout = dims.size() == 1 ? Layout::a : Layout::ab;
  return Memory({dims, Type::f32, layout}, engine, tensor.data<float>());
}

/// dnnl::matmul with the weights in the layout that it asks for, reordered before the timing, and
/// bias and exact GELU in the same pass. C is f32, but bf16 where a bf16 product ends in a GELU, as
/// then a block stores it.
class OneDnnProduct : public Prepared {
 public:
  explicit OneDnnProduct(const Product& product)
      : product_(product), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const Memory::dims a_dims{product.m, product.k};
    const Memory::dims b_dims{product.k, product.n};
    const Memory::dims c_dims{product.m, product.n};
    const Type type = product.bf16 ? Type::bf16 : Type::f32;
    const Type c_type = product.bf16 && product.gelu ? Type::bf16 : Type::f32;
    const Memory::desc a_desc(a_dims, type, Layout::ab);
    const Memory::desc b_desc(b_dims, type, Layout::any);
    const Memory::desc c_desc(c_dims, c_type, Layout::ab);
    const Memory::desc bias_desc({1, product.n}, Type::f32, Layout::ab);

    dnnl::primitive_attr attributes;
    dnnl::post_ops after;
    if (product.gelu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
    attributes.set_post_ops(after);
    const dnnl::matmul::desc description =
        product.gelu ? dnnl::matmul::desc(a_desc, b_desc, bias_desc, c_desc)
                     : dnnl::matmul::desc(a_desc, b_desc, c_desc);
    const dnnl::matmul::primitive_desc chosen(description, attributes, engine_);
    matmul_ = dnnl::matmul(chosen);

    a_ = Memory(chosen.src_desc(), engine_);
    b_ = Memory(chosen.weights_desc(), engine_);
    c_ = Memory(chosen.dst_desc(), engine_);
    reorder(over(engine_, product.a, a_dims), a_);
    reorder(over(engine_, product.b, b_dims), b_);
    arguments_ = {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}};
    if (product.gelu) {
      arguments_.insert({DNNL_ARG_BIAS, over(engine_, product.bias, {1, product.n})});
    }
  }

  void run() override {
    matmul_.execute(stream_, arguments_);
    stream_.wait();
  }

  Tensor result() const override {
    Tensor result = Tensor::zeros(DType::kF32, {product_.m, product_.n});
    reorder(c_, over(engine_, result, {product_.m, product_.n}));
    return result;
  }

 private:
  /// Copies, converting type and layout to those of `to`.
  void reorder(Memory from, Memory to) const {
    dnnl::stream stream = stream_;
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
  }

  Product product_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul matmul_;
  Memory a_, b_, c_;
  std::unordered_map<int, Memory> arguments_;
};

std::string isa() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512 amx";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512 bf16";
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core:
      return "avx512";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    default:
      return "another instruction set";
  }
}

}  // namespace

Baseline onednn_yardstick() {
  const dnnl_version_t* v = dnnl_version();
  return {"oneDNN", fmt::format("{}.{}.{}, {}", v->major, v->minor, v->patch, isa()), "#4a78b5",
          [](const Product& product) -> std::unique_ptr<Prepared> {
            try {
              return std::make_unique<OneDnnProduct>(product);
            } catch (const dnnl::error& error) {  // no bf16 on this processor
              if (error.status == dnnl_unimplemented) return nullptr;
              throw;
            }
          }};
}

}  // namespace gmlp
