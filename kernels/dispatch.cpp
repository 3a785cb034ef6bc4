#include <cstdlib>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "kernels/isa_tables.h"
#include "kernels/kernels.h"

#if defined(GMLP_HAVE_AMX)
#  include <cpuid.h>
#  include <sys/syscall.h>
#  include <unistd.h>
#endif

namespace gmlp::fused {

Amx amx_state() {
#if defined(GMLP_HAVE_AMX)
  // Linux saves the registers of AMX (8 KB) only for processes that request it, all their threads
  // included. A container's filter of system calls may refuse.
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // the registers' number in XCR0
  static const Amx state = [] {
    constexpr unsigned kBf16AndTiles = 1U << 22 | 1U << 24;
    unsigned r[4] = {};  // EAX to EDX
    if (__get_cpuid_count(7, 0, &r[0], &r[1], &r[2], &r[3]) == 0) return Amx::kNone;
    if ((r[3] & kBf16AndTiles) != kBf16AndTiles) return Amx::kNone;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0 ? Amx::kAllowed
                                                                       : Amx::kRefused;
  }();
  return state;
#else
  return Amx::kNone;
#endif
}

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> tables;
#if defined(GMLP_HAVE_AMX)  // kernels/isas.cmake compiles all of x86-64 or none
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool bf16_dot = avx512 && __builtin_cpu_supports("avx512bf16");
  if (bf16_dot && amx_state() == Amx::kAllowed) tables.push_back(&amx::table());
  if (bf16_dot) tables.push_back(&avx512bf16::table());
  if (avx512) tables.push_back(&avx512::table());
  // Intel's processors multiply pairs of bf16 at half the rate of f32, AMD's at twice.
  if (bf16_dot && __builtin_cpu_is("intel")) std::swap(tables.back(), tables.end()[-2]);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    tables.push_back(&avx2::table());
  }
#endif
#if defined(GMLP_HAVE_NEON)
  tables.push_back(&neon::table());  // every 64-bit Arm has it
#endif
  tables.push_back(&scalar::table());
#if defined(GMLP_HAVE_AMX_EMULATED)
  tables.push_back(&amx_emulated::table());
#endif
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
