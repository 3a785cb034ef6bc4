# Each check behind `./dev check` must be able to fail.
foreach(check includes readme length paths budget vocabulary)
  add_test(NAME "setup: tools/check_${check} finds faults"
           COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/setup/checks_can_fail.sh ${check})
  set_tests_properties("setup: tools/check_${check} finds faults" PROPERTIES LABELS setup
                                                                                     TIMEOUT 60)
endforeach()

add_test(NAME "setup: tools/plot.py draws the documents' charts"
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/setup/plots.sh)
set_tests_properties("setup: tools/plot.py draws the documents' charts"
                     PROPERTIES LABELS setup TIMEOUT 120 SKIP_RETURN_CODE 77)

# Objects of different instruction sets must not share functions. Sanitizers add shared symbols.
if(NOT GMLP_SANITIZE)
  add_test(NAME "setup: kernel objects define no symbol outside of their instruction set"
           COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/setup/kernel_symbols.sh ${PROJECT_BINARY_DIR})
  set_tests_properties("setup: kernel objects define no symbol outside of their instruction set"
                       PROPERTIES LABELS setup TIMEOUT 60)
endif()

# Reads the optimized x86 code of gcc, which once spilled the sums to memory.
if(NOT GMLP_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE MATCHES "Rel"
   AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_test(NAME "setup: kernels keep a tile's sums in registers"
           COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/setup/spilled_sums.sh ${PROJECT_BINARY_DIR})
  set_tests_properties("setup: kernels keep a tile's sums in registers" PROPERTIES LABELS setup TIMEOUT 60)
endif()

if(GMLP_BUILD_APPS AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  add_executable(refuse_amx setup/refuse_amx.cpp)
  target_link_libraries(refuse_amx PRIVATE gmlp_kernels)
  add_test(NAME "setup: training goes on where AMX is refused"
           COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/setup/refused_amx.sh $<TARGET_FILE:refuse_amx>
                   $<TARGET_FILE:gmlp-vision>)
  set_tests_properties("setup: training goes on where AMX is refused"
                       PROPERTIES LABELS setup TIMEOUT 60 SKIP_RETURN_CODE 77)
endif()
