# vattention_use_onednn(): defines the interface target `vattention_onednn` (oneDNN with OpenMP,
# SYSTEM includes) from the prefix that scripts/bootstrap.mjs put into the cache folder.
#
# vattention_ship_onednn(<addon> <directory>): leaves libdnnl.so.3 in <directory>, beside the addon,
# whose rpath is $ORIGIN.
include_guard(GLOBAL)

function(vattention_use_onednn)
  if(TARGET vattention_onednn)
    return()
  endif()
  set(prefix "$ENV{VATTENTION_ONEDNN_DIR}")
  if(NOT EXISTS "${prefix}/lib/cmake/dnnl/dnnl-config.cmake")
    message(FATAL_ERROR "VATTENTION_ONEDNN_DIR (\"${prefix}\") holds no oneDNN. "
      "Build through npm, which fetches it: npm run bootstrap.")
  endif()
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  find_package(dnnl 3.2 CONFIG REQUIRED PATHS "${prefix}" NO_DEFAULT_PATH)
  add_library(vattention_onednn INTERFACE)
  target_link_libraries(vattention_onednn INTERFACE DNNL::dnnl OpenMP::OpenMP_CXX)
endfunction()

function(vattention_ship_onednn addon directory)
  set(library "$ENV{VATTENTION_ONEDNN_DIR}/lib/libdnnl.so.3")
  add_custom_command(OUTPUT "${directory}/libdnnl.so.3"
    COMMAND ${CMAKE_COMMAND} -E copy "${library}" "${directory}/libdnnl.so.3"
    COMMAND ${CMAKE_STRIP} --strip-unneeded "${directory}/libdnnl.so.3"
    DEPENDS "${library}" VERBATIM)
  add_custom_target(vattention_libdnnl DEPENDS "${directory}/libdnnl.so.3")
  add_dependencies(${addon} vattention_libdnnl)
endfunction()
