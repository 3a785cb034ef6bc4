# What `cmake --install` copies: the component `library` for other programs, and `programs` with their documents.
include(CMakePackageConfigHelpers)
set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/gmlp)

install(TARGETS gmlp EXPORT gmlpTargets COMPONENT library)
install(DIRECTORY ${PROJECT_BINARY_DIR}/include/gmlp TYPE INCLUDE COMPONENT library)
install(EXPORT gmlpTargets NAMESPACE gmlp:: DESTINATION ${config_folder} COMPONENT library)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/gmlpConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/gmlpConfig.cmake INSTALL_DESTINATION ${config_folder})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gmlpConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gmlpConfig.cmake ${PROJECT_BINARY_DIR}/gmlpConfigVersion.cmake
        DESTINATION ${config_folder} COMPONENT library)

if(GMLP_BUILD_APPS)
  install(TARGETS gmlp-vision gmlp-language gmlp-bench COMPONENT programs)
  install(FILES README.md TYPE DOC COMPONENT programs)
  install(FILES LICENSE TYPE DOC COMPONENT programs RENAME copyright)
  install(DIRECTORY docs examples TYPE DOC COMPONENT programs)
endif()

# `./dev package`. What the programs need is found by dpkg-shlibdeps.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The gmlp authors <gmlp@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "trains gMLP models on CPUs: programs and C++ library")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "gmlp-vision trains on images and gmlp-language on text; gmlp-bench measures the kernels.
 The library is gmlp::gmlp of CMake's find_package(gmlp).")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "dataset-fashion-mnist, g++, cmake, libfmt-dev")
set(CPACK_STRIP_FILES ON)
include(CPack)
