#include "apps/bench/products.h"

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

#include "apps/bench/ladder/rungs.h"
#include "core/parallel.h"
#include "core/random.h"
#include "kernels/kernels.h"

namespace gmlp {

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

Tensor transposed(const Tensor& a) {
  const int64_t rows = a.shape().rows(), cols = a.shape().cols();
  Tensor result = zeros({cols, rows});
  for (int64_t i = 0; i < rows * cols; ++i) {
    floats(result)[i % cols * rows + i / cols] = floats(a)[i];
  }
  return result;
}

fused::Precision precision_of(bool bf16) {
  return bf16 ? fused::Precision::kBf16 : fused::Precision::kF32;
}

// ---- gmlp ----

Contender norm_fc1_gelu(const Tensor& x, const Tensor& norm_weight, const Tensor& norm_bias,
                        const Tensor& weight, const Tensor& bias, bool bf16) {
  constexpr int64_t kTokens = 196;
  const fused::BlockShape shape{.batch = x.shape().rows() / kTokens,
                                .tokens = kTokens,
                                .d_model = x.shape().cols(),
                                .d_ffn = weight.shape().rows(),
                                .norm_eps = 1e-6F,
                                .gate_eps = 1e-6F,
                                .precision = precision_of(bf16)};
  // As Kernels::norm_fc1_gelu tells.
  const DType dtype = bf16 && fused::kernels().has_bf16_dot ? DType::kBf16 : DType::kF32;
  const int64_t padding = shape.d_ffn * dtype_size(dtype) % 2048 == 0 ? 64 / dtype_size(dtype) : 0;
  const Tensor z = Tensor::zeros(dtype, {x.shape().rows(), shape.d_ffn + padding});
  const Tensor workspace = zeros({fused::kernels().block_workspace(shape) / 4 + 1});
  const auto call = [=](void* out) {
    const fused::BlockWeights<const float*> weights{
        .norm = {floats(norm_weight), floats(norm_bias)}, .fc1 = {floats(weight), floats(bias)}};
    fused::kernels().norm_fc1_gelu(out, floats(x), weights, workspace.raw(), shape);
  };
  call(nullptr);  // packs the weight
  return {[=] { call(z.raw()); }, z};
}

namespace {

Contender prepare_ours(const Product& p) {
  if (p.gelu) {
    Tensor ones = zeros({p.k});
    ones.fill(1);
    return norm_fc1_gelu(p.a, ones, zeros({p.k}), transposed(p.b), p.bias, p.bf16);
  }
  const Tensor c = zeros({p.m, p.n});
  const fused::LinearShape shape{p.m, p.k, p.n, precision_of(p.bf16)};
  const Tensor weight = transposed(p.b);
  const Tensor workspace = zeros({fused::kernels().linear_workspace(shape) / 4 + 1});
  const auto run = [=] {
    fused::kernels().linear_forward(floats(c), floats(p.a), floats(weight), nullptr,
                                    workspace.raw(), shape);
  };
  return {run, c};
}

// ---- Eigen: one expression, compiled for the instruction set in use, as the ladder's rungs ----

Contender prepare_eigen(const Product& p) {
  if (p.bf16 || p.gelu) return {};
  const Tensor c = zeros({p.m, p.n});
  const auto run = [=] {
    ladder::rungs_in_use().eigen(floats(c), floats(p.a), floats(p.b), p.m, p.n, p.k);
  };
  return {run, c};
}

#if defined(GMLP_HAVE_ONEDNN)
// ---- oneDNN (version 2): dnnl::matmul, the fastest that Debian has on most processors ----

using Memory = dnnl::memory;
using Type = dnnl::memory::data_type;
using Layout = dnnl::memory::format_tag;

/// A view of a matrix.
Memory over(const dnnl::engine& engine, const Tensor& matrix) {
  const Type type = matrix.dtype() == DType::kBf16 ? Type::bf16 : Type::f32;
  return Memory({{matrix.shape()[0], matrix.shape()[1]}, type, Layout::ab}, engine, matrix.raw());
}

/// A copy of a matrix, with type and layout converted.
Memory reordered(const dnnl::engine& engine, const Tensor& matrix, const Memory::desc& layout) {
  Memory from = over(engine, matrix), to(layout, engine);
  dnnl::stream stream(engine);
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  return to;
}

/// A and B are reordered before the timing, B into the layout that oneDNN prefers. Bias and exact
/// GELU are in the same pass. C is bf16 after a bf16 product with GELU, as in a block, else f32.
Contender matmul(const Product& p) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const Type type = p.bf16 ? Type::bf16 : Type::f32;
  const Tensor out = Tensor::zeros(p.bf16 && p.gelu ? DType::kBf16 : DType::kF32, {p.m, p.n});
  const Memory c = over(engine, out), bias = over(engine, p.bias.reshaped({1, p.n}));
  const Memory::desc a_desc({p.m, p.k}, type, Layout::ab), b_desc({p.k, p.n}, type, Layout::any);

  dnnl::primitive_attr attributes;
  dnnl::post_ops after;
  if (p.gelu) after.append_eltwise(1.0F, dnnl::algorithm::eltwise_gelu_erf, 0.0F, 0.0F);
  attributes.set_post_ops(after);
  const dnnl::matmul::primitive_desc chosen(
      p.gelu ? dnnl::matmul::desc(a_desc, b_desc, bias.get_desc(), c.get_desc())
             : dnnl::matmul::desc(a_desc, b_desc, c.get_desc()),
      attributes, engine);
  std::unordered_map<int, Memory> arguments = {
      {DNNL_ARG_SRC, reordered(engine, p.a, chosen.src_desc())},
      {DNNL_ARG_WEIGHTS, reordered(engine, p.b, chosen.weights_desc())},
      {DNNL_ARG_DST, c}};
  if (p.gelu) arguments[DNNL_ARG_BIAS] = bias;

  // The copies own the memory that `bias` and `c` are views of.
  const auto run = [arguments, out, owner = p.bias, stream = dnnl::stream(engine),
                    primitive = dnnl::matmul(chosen)]() mutable {
    primitive.execute(stream, arguments);
    stream.wait();
  };
  return {run, out};
}

Contender prepare_onednn(const Product& product) {
  try {
    return matmul(product);
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented) return {};  // no bf16 on this processor
    throw;
  }
}

std::string describe_onednn() {
  const dnnl_version_t* v = dnnl_version();
  const std::unordered_map<dnnl::cpu_isa, const char*> names = {
      {dnnl::cpu_isa::avx512_core_amx, "avx512 amx"},
      {dnnl::cpu_isa::avx512_core_bf16, "avx512 bf16"},
      {dnnl::cpu_isa::avx512_core_vnni, "avx512"},
      {dnnl::cpu_isa::avx512_core, "avx512"},
      {dnnl::cpu_isa::avx2, "avx2"}};
  const auto isa = names.find(dnnl::get_effective_cpu_isa());
  return fmt::format("{}.{}.{}, {}", v->major, v->minor, v->patch,
                     isa == names.end() ? "another instruction set" : isa->second);
}
#endif

#if defined(GMLP_HAVE_OPENBLAS)
// ---- OpenBLAS: cblas_sgemm, which packs both operands in each call. The processor or
// OPENBLAS_CORETYPE decides which kernels it runs; the table's header names them. ----

/// Whether OpenBLAS does not know this processor and fell back to kernels without AVX2.
bool is_outdated() {
#  if defined(__x86_64__)
  static const std::set<std::string> kWithAvx2 = {"Haswell", "Zen", "SkylakeX", "Cooperlake",
                                                  "SapphireRapids"};
  return __builtin_cpu_supports("avx2") != 0 && !kWithAvx2.contains(openblas_get_corename());
#  else
  return false;
#  endif
}

Contender prepare_openblas(const Product& p) {
  if (p.bf16 || p.gelu || is_outdated()) return {};
  openblas_set_num_threads(thread_count());
  const Tensor c = zeros({p.m, p.n});
  const auto run = [p, c, m = static_cast<blasint>(p.m), n = static_cast<blasint>(p.n),
                    k = static_cast<blasint>(p.k)] {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1.0F, floats(p.a), k,
                floats(p.b), n, 0.0F, floats(c), n);
  };
  return {run, c};
}

std::string describe_openblas() {
  constexpr const char* kThreads[] = {"one thread", "its own threads", "OpenMP"};
  const std::string config = openblas_get_config();  // "OpenBLAS 0.3.21 ..."
  const size_t version = config.find(' ') + 1;
  return fmt::format(
      "{}, {} kernels, {}{}", config.substr(version, config.find(' ', version) - version),
      openblas_get_corename(), kThreads[openblas_get_parallel()],
      is_outdated() ? " (left out: no AVX2; set OPENBLAS_CORETYPE=Haswell or SkylakeX)" : "");
}
#endif

}  // namespace

const std::vector<Library>& libraries() {
  static const std::vector<Library> kFound = {
    {"gmlp", GMLP_VERSION, prepare_ours},
#if defined(GMLP_HAVE_ONEDNN)
    {"oneDNN", describe_onednn(), prepare_onednn},
#endif
#if defined(GMLP_HAVE_OPENBLAS)
    {"OpenBLAS", describe_openblas(), prepare_openblas},
#endif
    {"Eigen",
     fmt::format("{}.{}.{}, {}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION,
                 isa_name()),
     prepare_eigen},
  };
  return kFound;
}

}  // namespace gmlp
