# Tests of the real programs: one script per topic. Each takes the program's path; 77 means skipped.
target_link_libraries(test_train PRIVATE gmlp_vision_app)

foreach(topic usage_errors end_to_end console export damage kill_and_resume signals full_disk
        odd_names folders photographs moved_data ablate onnxruntime)
  add_test(NAME "apps| ${topic}"
           COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/apps/${topic}.sh $<TARGET_FILE:gmlp-vision>)
  set_tests_properties("apps| ${topic}" PROPERTIES LABELS apps TIMEOUT 300 SKIP_RETURN_CODE 77)
endforeach()
foreach(topic kill_and_resume signals full_disk odd_names console onnxruntime language/usage_errors
        language/end_to_end language/ablate language/damage language/tasks language/export)
  string(REPLACE "language/" "" name ${topic})
  add_test(NAME "apps| language ${name}"
           COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/apps/${topic}.sh $<TARGET_FILE:gmlp-language>)
  set_tests_properties("apps| language ${name}" PROPERTIES LABELS apps TIMEOUT 300
                       SKIP_RETURN_CODE 77)
endforeach()
foreach(program vision language)
  add_test(NAME "apps| ${program} report"
           COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/apps/report/report.sh
                   $<TARGET_FILE:gmlp-${program}>)
  set_tests_properties("apps| ${program} report" PROPERTIES LABELS apps TIMEOUT 300
                       SKIP_RETURN_CODE 77)
endforeach()
add_test(NAME "apps| bench"
         COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/apps/bench.sh $<TARGET_FILE:gmlp-bench>
                 $<IF:$<BOOL:${GMLP_MPI}>,mpi,none>)
set_tests_properties("apps| bench" PROPERTIES LABELS apps TIMEOUT 300)

# Faults of the system: strace makes calls fail, and a library to preload allocations.
if(NOT GMLP_SANITIZE)  # whose allocator is not to be replaced
  add_library(fail_allocation SHARED support/fail_allocation.cpp)
  foreach(program gmlp-vision gmlp-language)
    add_test(NAME "apps| ${program} survives faults"
             COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/apps/faults.sh $<TARGET_FILE:${program}>
                     $<TARGET_FILE:fail_allocation>)
    set_tests_properties("apps| ${program} survives faults" PROPERTIES LABELS apps TIMEOUT 300
                         SKIP_RETURN_CODE 77)
  endforeach()
endif()

# Several ranks; without MPI the programs refuse to be some.
foreach(program gmlp-vision gmlp-language)
  add_test(NAME "apps| ${program} on ranks"
           COMMAND bash ${CMAKE_CURRENT_SOURCE_DIR}/apps/ranks.sh $<TARGET_FILE:${program}>
                   $<IF:$<BOOL:${GMLP_MPI}>,mpi,none>)
  set_tests_properties("apps| ${program} on ranks" PROPERTIES LABELS apps TIMEOUT 300
                       SKIP_RETURN_CODE 77)
endforeach()
