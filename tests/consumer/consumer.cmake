# Programs on top of the library: those of examples/ on short schedules, and one of somebody else.
function(gmlp_program_test name)
  add_test(NAME "${name}" COMMAND ${ARGN})
  set_tests_properties("${name}" PROPERTIES LABELS library TIMEOUT 300 ENVIRONMENT OMP_WAIT_POLICY=passive
                       SKIP_REGULAR_EXPRESSION "cannot be opened; install")
endfunction()

if(GMLP_BUILD_EXAMPLES)
  gmlp_program_test("examples| the gradient of a custom op is right" custom_op)
endif()
if(GMLP_BUILD_EXAMPLES AND NOT GMLP_SANITIZE)  # which would take minutes
  gmlp_program_test("examples| a character model learns in 150 steps" character_model
                    ${PROJECT_SOURCE_DIR}/LICENSE 150)
  if(TARGET train_fashion_mnist)
    gmlp_program_test("examples| Fashion-MNIST is learned in 200 steps" train_fashion_mnist
                      /usr/share/datasets/fashion-mnist 200)
  endif()
  if(TARGET ladder)
    gmlp_program_test("examples| every rung of the ladder computes what the reference does"
                      bash ${CMAKE_CURRENT_LIST_DIR}/ladder.sh $<TARGET_FILE:ladder>)
  endif()
endif()

# A sanitized library needs programs that are sanitized, too.
if(GMLP_INSTALL AND NOT GMLP_SANITIZE)
  foreach(how installed subdirectory)
    gmlp_program_test("library| a program of somebody else builds, ${how}"
                      ${CMAKE_CURRENT_LIST_DIR}/consumer.sh ${how} ${PROJECT_BINARY_DIR} ${CMAKE_CXX_COMPILER})
  endforeach()
endif()
