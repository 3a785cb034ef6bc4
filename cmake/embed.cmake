# Text that a program contains: TEXT becomes the C++ literal NAME in the header HEADER.
function(gmlp_embed TEXT NAME HEADER)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${TEXT})
  file(READ ${TEXT} text)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${HEADER}
       CONTENT "inline constexpr const char* @NAME@ = R\"~(@text@)~\";\n" @ONLY)
endfunction()
