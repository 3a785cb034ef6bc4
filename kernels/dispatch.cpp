#include "kernels/dispatch.h"

#include <cstdlib>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace gmlp::fused {

// One line for each instruction set that kernels/CMakeLists.txt compiles, best first.
#if defined(GMLP_HAVE_AVX2)
namespace avx2 {
const Kernels& table();
}
#endif
namespace scalar {
const Kernels& table();
}

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables;
#if defined(GMLP_HAVE_AVX2)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    tables.push_back(&avx2::table());
  }
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
