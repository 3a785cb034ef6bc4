#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "kernels/kernels.h"

namespace gmlp::fused {

// The tables of all instruction sets that kernels/isas.cmake may name.
namespace avx512bf16 {
const Kernels& table();
}
namespace avx512 {
const Kernels& table();
}
namespace avx2 {
const Kernels& table();
}
namespace neon {
const Kernels& table();
}
namespace scalar {
const Kernels& table();
}

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables;
#if defined(GMLP_HAVE_AVX512)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
#if defined(GMLP_HAVE_AVX512BF16)
  if (avx512 && __builtin_cpu_supports("avx512bf16")) tables.push_back(&avx512bf16::table());
#endif
#if defined(GMLP_HAVE_AVX512)
  if (avx512) tables.push_back(&avx512::table());
#endif
#if defined(GMLP_HAVE_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    tables.push_back(&avx2::table());
  }
#endif
#if defined(GMLP_HAVE_NEON)
  tables.push_back(&neon::table());  // every 64-bit Arm has it
#endif
  tables.push_back(&scalar::table());
  return tables;
}

namespace {

const Kernels& choose() {
  const std::vector<const Kernels*> tables = available_kernels();
  const char* wanted = std::getenv("GMLP_ISA");
  if (wanted == nullptr || *wanted == '\0') return *tables.front();
  std::vector<std::string> names;
  for (const Kernels* table : tables) {
    if (std::string(wanted) == table->isa) return *table;
    names.emplace_back(table->isa);
  }
  fail_input(
      "GMLP_ISA={}: not an instruction set that this processor and build run; use {}, or unset it",
      wanted, fmt::join(names, " or "));
}

}  // namespace

bool bf16_fits(int64_t d_model, int64_t gate_width) {
  return d_model % 2 == 0 && gate_width % 2 == 0;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace gmlp::fused

namespace gmlp {

const char* isa_name() {
  return fused::kernels().isa;
}

}  // namespace gmlp
