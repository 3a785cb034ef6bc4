# The instruction sets that the sources on kernels/simd are compiled for, and their flags. A new one needs a header
# in simd/, and lines here, in simd/simd.h, in dispatch.cpp and, for the vectors of Eigen, in apps/bench/.
set(GMLP_ISAS scalar)
if(GMLP_BUILD_TESTS)
  list(APPEND GMLP_ISAS amx_emulated)
  set(GMLP_FLAGS_amx_emulated "-DGMLP_SIMD_HEADER=\"tests/setup/emulated_amx.h\"")
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND GMLP_ISAS avx2 avx512 avx512bf16 amx)
  set(GMLP_FLAGS_avx2 -mavx2 -mfma)
  set(GMLP_FLAGS_avx512 -mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # gcc 12 warns about _mm512_undefined_ps in its own header.
    list(APPEND GMLP_FLAGS_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
  endif()
  set(GMLP_FLAGS_avx512bf16 ${GMLP_FLAGS_avx512} -mavx512bf16)
  set(GMLP_FLAGS_amx ${GMLP_FLAGS_avx512bf16} -mamx-tile -mamx-bf16)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND GMLP_ISAS neon)
  # gcc's early scheduling loads all rows of A at once, and a register tile no longer fits into the registers.
  set(GMLP_FLAGS_neon $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns>)
endif()
if(GMLP_SANITIZE MATCHES fuzzer)
  set(GMLP_ISAS scalar)  # readers of files need no fast kernels
endif()

# Compiles `ARGN` for `isa`, into the namespace GMLP_ISA, as part of the target `owner`, and defines `macro`_ISA there.
function(gmlp_isa_objects owner prefix macro isa)
  string(TOUPPER ${isa} upper)
  add_library(${prefix}_${isa} OBJECT ${ARGN})
  set_target_properties(${prefix}_${isa} PROPERTIES UNITY_BUILD OFF)  # one file, one speed
  target_link_libraries(${prefix}_${isa} PRIVATE gmlp_flags OpenMP::OpenMP_CXX)
  target_compile_definitions(${prefix}_${isa} PRIVATE GMLP_ISA=${isa}
                             GMLP_ISA_NAME="${isa}" GMLP_ISA_${upper})
  target_compile_options(${prefix}_${isa} PRIVATE -O3 -fno-exceptions ${GMLP_FLAGS_${isa}})
  target_sources(${owner} PRIVATE $<TARGET_OBJECTS:${prefix}_${isa}>)
  target_compile_definitions(${owner} PRIVATE ${macro}_${upper})
endfunction()
