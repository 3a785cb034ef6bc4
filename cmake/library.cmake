# gmlp::gmlp, the engine for other programs: one archive of all objects of core, kernels, autograd and models,
# and headers that are included as <gmlp/core/tensor.h>. It passes on C++20, fmt and OpenMP, and none of our flags.
set(public_headers
    gmlp.h core/arena.h core/bf16.h core/error.h core/parallel.h core/random.h core/tensor.h core/io/npy.h
    core/io/safetensors.h kernels/kernels.h kernels/reference/dropout.h autograd/ops.h autograd/optimizer.h
    autograd/tape.h models/baselines.h models/decoder.h models/gmlp_block.h models/language.h models/layers.h
    models/vision.h models/checkpoint/checkpoint.h models/checkpoint/load_models.h)

# Here "core/tensor.h" is a path from the root. In a program that has a core/ of its own it would be ambiguous.
# So each public header is copied with <gmlp/core/tensor.h> instead; a changed one is copied anew.
set(include_folder ${PROJECT_BINARY_DIR}/include)
foreach(header IN LISTS public_headers)
  file(READ ${PROJECT_SOURCE_DIR}/${header} text)
  string(REGEX REPLACE "#include \"([^\"]+)\"" "#include <gmlp/\\1>" text "${text}")
  file(CONFIGURE OUTPUT ${include_folder}/gmlp/${header} CONTENT "${text}" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${header})
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.h.in ${include_folder}/gmlp/version.h @ONLY)

set(object_targets gmlp_core gmlp_kernels gmlp_autograd gmlp_models)
foreach(isa IN LISTS GMLP_ISAS)
  list(APPEND object_targets gmlp_fused_${isa})
endforeach()
list(TRANSFORM object_targets REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>")
add_library(gmlp STATIC ${object_targets})
add_library(gmlp::gmlp ALIAS gmlp)
set_target_properties(gmlp PROPERTIES LINKER_LANGUAGE CXX UNITY_BUILD OFF)
target_compile_features(gmlp PUBLIC cxx_std_20)
target_include_directories(gmlp SYSTEM INTERFACE $<BUILD_INTERFACE:${include_folder}>)
target_include_directories(gmlp INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(gmlp PUBLIC fmt::fmt OpenMP::OpenMP_CXX)
