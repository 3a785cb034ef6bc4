#include "apps/bench/products.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include <Eigen/src/Core/util/Macros.h>  // the version only
#include <fmt/format.h>
#if defined(GMLP_HAVE_ONEDNN)
#  include <oneapi/dnnl/dnnl.hpp>
#endif
#if defined(GMLP_HAVE_OPENBLAS)
#  include <cblas.h>
#endif

#include "core/parallel.h"
#include "core/random.h"
#include "kernels/kernels.h"

namespace gmlp {

// eigen.cpp has one definition per instruction set that CMakeLists.txt names.
using EigenProduct = void(float* c, const float* a, const float* weight, int64_t m, int64_t n,
                          int64_t k);
EigenProduct eigen_product_scalar, eigen_product_avx2, eigen_product_avx512;

Tensor zeros(const Shape& shape) {
  return Tensor::zeros(DType::kF32, shape);
}

Tensor random_numbers(const Shape& shape, double scale) {
  Tensor numbers = zeros(shape);
  Random random(1, Purpose::kSample, static_cast<uint64_t>(shape.elements()));
  for (int64_t i = 0; i < numbers.elements(); ++i) {
    floats(numbers)[i] = static_cast<float>(random.uniform(-scale, scale));
  }
  return numbers;
}

fused::Precision precision_of(bool bf16) {
  return bf16 ? fused::Precision::kBf16 : fused::Precision::kF32;
}

namespace {

// ---- gmlp ----

/// z = gelu(layernorm(A) Wᵀ + bias), with W packed. The norm is that of rows of mean 0 and variance
/// 1, which it keeps.
Contender prepare_fused(const Product& p) {
  const fused::BlockShape shape{.batch = p.m / kImageTokens,
                                .tokens = kImageTokens,
                                .d_model = p.k,
                                .d_ffn = p.n,
                                .norm_eps = 1e-6F,
                                .gate_eps = 1e-6F,
                                .precision = precision_of(p.bf16)};
  // As Kernels::norm_fc1_gelu tells.
  const DType dtype = p.bf16 && fused::kernels().has_bf16_dot ? DType::kBf16 : DType::kF32;
  const int64_t padding = p.n * dtype_size(dtype) % 2048 == 0 ? 64 / dtype_size(dtype) : 0;
  const Tensor z = Tensor::zeros(dtype, {p.m, p.n + padding});
  const Tensor workspace = zeros({fused::kernels().block_workspace(shape) / 4 + 1});
  const Tensor ones = zeros({p.k}), none = zeros({p.k});
  ones.fill(1);
  const auto call = [=](void* out) {
    const fused::BlockWeights<const float*> weights{.norm = {floats(ones), floats(none)},
                                                    .fc1 = {floats(p.weight), floats(p.bias)}};
    fused::kernels().norm_fc1_gelu(out, floats(p.a), weights, workspace.raw(), shape);
  };
  call(nullptr);  // packs the weight
  return {"gmlp", [=] { call(z.raw()); }, z};
}

Contender prepare_ours(const Product& p) {
  if (p.gelu) return prepare_fused(p);
  const Tensor c = zeros({p.m, p.n});
  const fused::LinearShape shape{p.m, p.k, p.n, precision_of(p.bf16)};
  const Tensor workspace = zeros({fused::kernels().linear_workspace(shape) / 4 + 1});
  const auto run = [=] {
    fused::kernels().linear_forward(floats(c), floats(p.a), floats(p.weight), nullptr,
                                    workspace.raw(), shape);
  };
  return {"gmlp", run, c};
}

// ---- Eigen: one expression, compiled for the instruction set in use (eigen.cpp) ----

/// The product is f32, so avx512bf16 and amx use that of avx512. NEON is in the baseline.
EigenProduct* eigen_product_in_use() {
#if defined(GMLP_EIGEN_AVX512)
  const std::string isa = isa_name();
  if (isa.starts_with("avx512") || isa == "amx") return eigen_product_avx512;
  if (isa == "avx2") return eigen_product_avx2;
#endif
  return eigen_product_scalar;
}

Contender prepare_eigen(const Product& p) {
  if (p.bf16 || p.gelu) return {};
  const Tensor c = zeros({p.m, p.n});
  const auto run = [=, multiply = eigen_product_in_use()] {
    multiply(floats(c), floats(p.a), floats(p.weight), p.m, p.n, p.k);
  };
  return {"Eigen", run, c};
}

#if defined(GMLP_HAVE_ONEDNN)
// ---- oneDNN (version 2): dnnl::matmul, the fastest that Debian has on most processors ----

using Memory = dnnl::memory;
using Type = dnnl::memory::data_type;
using Layout = dnnl::memory::format_tag;

/// A and W are reordered before the timing, W into the layout that oneDNN prefers. Bias and exact
/// GELU are in the same pass. C is bf16 after a bf16 product with GELU, as in a block, else f32.
Contender prepare_onednn(const Product& p) try {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const Type type = p.bf16 ? Type::bf16 : Type::f32;
  const bool is_short = p.bf16 && p.gelu;
  const Tensor out = Tensor::zeros(is_short ? DType::kBf16 : DType::kF32, {p.m, p.n});
  const Memory c({{p.m, p.n}, is_short ? Type::bf16 : Type::f32, Layout::ab}, engine, out.raw());
  const Memory bias({{1, p.n}, Type::f32, Layout::ab}, engine, p.bias.raw());
  const Memory a({{p.m, p.k}, Type::f32, Layout::ab}, engine, p.a.raw());
  const Memory b({{p.k, p.n}, Type::f32, Layout::ba}, engine, p.weight.raw());  // Wᵀ

  const Memory::desc a_desc({p.m, p.k}, type, Layout::ab), b_desc({p.k, p.n}, type, Layout::any);
  dnnl::primitive_attr attributes;
  dnnl::post_ops after;
  if (p.gelu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
  attributes.set_post_ops(after);
  const dnnl::matmul::primitive_desc chosen(
      p.gelu ? dnnl::matmul::desc(a_desc, b_desc, bias.get_desc(), c.get_desc())
             : dnnl::matmul::desc(a_desc, b_desc, c.get_desc()),
      attributes, engine);
  const auto reordered = [&](Memory from, const Memory::desc& layout) {
    Memory to(layout, engine);
    dnnl::reorder(from, to).execute(stream, from, to);
    stream.wait();
    return to;
  };
  std::unordered_map<int, Memory> arguments = {
      {DNNL_ARG_SRC, reordered(a, chosen.src_desc())},
      {DNNL_ARG_WEIGHTS, reordered(b, chosen.weights_desc())},
      {DNNL_ARG_DST, c}};
  if (p.gelu) arguments[DNNL_ARG_BIAS] = bias;
  const auto run = [arguments, stream, primitive = dnnl::matmul(chosen)]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  };
  return {"oneDNN", run, out};
} catch (const dnnl::error& error) {
  if (error.status == dnnl_unimplemented) return {};  // no bf16 on this processor
  throw;
}
#endif

#if defined(GMLP_HAVE_OPENBLAS)
// ---- OpenBLAS: cblas_sgemm, which packs both operands in each call. The processor or
// OPENBLAS_CORETYPE decides which kernels it runs; the table's header names them. ----

/// Whether OpenBLAS does not know this processor and fell back to kernels without AVX2.
bool is_outdated() {
  static const std::set<std::string> kWithAvx2 = {"Haswell", "Zen", "SkylakeX", "Cooperlake",
                                                  "SapphireRapids"};
  const auto isa = [](const fused::Kernels* table) { return std::string(table->isa); };
  return std::ranges::count(fused::available_kernels(), "avx2", isa) > 0 &&
         !kWithAvx2.contains(openblas_get_corename());
}

Contender prepare_openblas(const Product& p) {
  if (p.bf16 || p.gelu || is_outdated()) return {};
  openblas_set_num_threads(thread_count());
  const Tensor c = zeros({p.m, p.n});
  const auto run = [p, c, m = static_cast<blasint>(p.m), n = static_cast<blasint>(p.n),
                    k = static_cast<blasint>(p.k)] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1.0F, floats(p.a), k,
                floats(p.weight), k, 0.0F, floats(c), n);
  };
  return {"OpenBLAS", run, c};
}
#endif

}  // namespace

std::vector<Contender> contenders_of(const Product& product) {
  std::vector<Contender> all = {prepare_ours(product)};
#if defined(GMLP_HAVE_ONEDNN)
  all.push_back(prepare_onednn(product));
#endif
#if defined(GMLP_HAVE_OPENBLAS)
  all.push_back(prepare_openblas(product));
#endif
  all.push_back(prepare_eigen(product));
  std::erase_if(all, [](const Contender& contender) { return !contender.run; });
  return all;
}

std::string describe_libraries() {
  std::string lines = fmt::format("gmlp {}\n", GMLP_VERSION);
#if defined(GMLP_HAVE_ONEDNN)
  const std::unordered_map<dnnl::cpu_isa, const char*> isas = {
      {dnnl::cpu_isa::avx512_core_amx, "avx512 amx"},
      {dnnl::cpu_isa::avx512_core_bf16, "avx512 bf16"},
      {dnnl::cpu_isa::avx512_core_vnni, "avx512"},
      {dnnl::cpu_isa::avx512_core, "avx512"},
      {dnnl::cpu_isa::avx2, "avx2"}};
  const auto isa = isas.find(dnnl::get_effective_cpu_isa());
  const dnnl_version_t* v = dnnl_version();
  lines += fmt::format("oneDNN {}.{}.{}, {}\n", v->major, v->minor, v->patch,
                       isa == isas.end() ? "another instruction set" : isa->second);
#endif
#if defined(GMLP_HAVE_OPENBLAS)
  lines += openblas_get_config();
  lines +=
      is_outdated() ? "\n(left out: no AVX2; set OPENBLAS_CORETYPE=Haswell or SkylakeX)\n" : "\n";
#endif
  return lines + fmt::format("Eigen {}.{}.{}, {}\n", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION,
                             EIGEN_MINOR_VERSION, isa_name());
}

}  // namespace gmlp
