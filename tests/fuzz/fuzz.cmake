#A program a reader of foreign bytes, for `./ dev fuzz`; and one that writes what each starts from.
add_executable(fuzz_seeds EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR} /
               seeds.cpp) target_link_libraries(fuzz_seeds PRIVATE gmlp_images gmlp_text ZLIB::ZLIB)
    target_compile_definitions(fuzz_seeds PRIVATE GMLP_SOURCE_DIR = "${CMAKE_SOURCE_DIR}")
        add_custom_target(fuzzers DEPENDS fuzz_seeds)

            file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR} / fuzz_ *.cpp)
                foreach (source ${sources}) get_filename_component(name ${source} NAME_WE)
                    add_executable(${name} EXCLUDE_FROM_ALL ${source})
                        target_link_libraries(${name} PRIVATE gmlp_images gmlp_text)
                            target_link_options(${name} PRIVATE - fsanitize = fuzzer)
                                add_dependencies(fuzzers ${name}) endforeach()
                                    target_link_libraries(fuzz_config PRIVATE gmlp_language_models)
