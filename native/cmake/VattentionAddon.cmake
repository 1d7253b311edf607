# vattention_add_addon(<name> [OUTPUT addon] [BACKEND] SOURCES ... LIBRARIES ...)
#
# The Node-API addon of the package whose CMakeLists.txt calls it: addon.node (or <OUTPUT>.node, of a
# second one), left in the package's own folder, where the loader looks first. `name` is the package's
# folder name, <name>_addon the target. BACKEND: an attention backend, whose bindings are those of
# native/node/attention. Built by cmake-js, which passes the paths of the Node-API headers.
include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/VattentionOptions.cmake")

function(vattention_add_addon name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "BACKEND" "OUTPUT" "SOURCES;LIBRARIES")
  if(NOT CMAKE_JS_INC)
    message(FATAL_ERROR "Build addons with `npm run build:native`, which passes Node's headers.")
  endif()
  if(NOT arg_OUTPUT)
    set(arg_OUTPUT addon)
  endif()
  if(arg_BACKEND)
    file(GLOB bindings CONFIGURE_DEPENDS "${VATTENTION_NATIVE_DIR}/node/attention/*.cc")
    list(APPEND arg_SOURCES ${bindings})
  endif()
  find_package(Threads REQUIRED)
  file(READ "${CMAKE_CURRENT_SOURCE_DIR}/package.json" manifest)
  string(JSON version GET "${manifest}" version)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    "${CMAKE_CURRENT_SOURCE_DIR}/package.json")

  set(target ${name}_addon)
  add_library(${target} MODULE ${arg_SOURCES} ${CMAKE_JS_SRC})
  set_target_properties(${target} PROPERTIES
    PREFIX "" OUTPUT_NAME ${arg_OUTPUT} SUFFIX ".node"
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
    INSTALL_RPATH "$ORIGIN" BUILD_WITH_INSTALL_RPATH ON)
  target_compile_definitions(${target} PRIVATE
    NAPI_VERSION=8 NODE_ADDON_API_CPP_EXCEPTIONS_ALL
    # A worker that is terminated cannot be told of errors any more; that must not end the process.
    NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
    "VATTN_PACKAGE_VERSION=\"${version}\"")
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_JS_INC})
  # A third of the time that bindings take to compile.
  target_precompile_headers(${target} PRIVATE <napi.h>)
  target_link_libraries(${target} PRIVATE
    ${CMAKE_JS_LIB} vattention_include vattention_warnings vattention_portable Threads::Threads
    ${arg_LIBRARIES})
  if(APPLE)
    target_link_options(${target} PRIVATE -undefined dynamic_lookup)
  else()
    # Node's own symbols are missing at link time, so ours would be too without a word: with "now"
    # such an addon fails to load instead of ending the process at its first call.
    #
    # A worker that ends unmaps what only it has loaded, while threads of ours or of OpenMP may
    # still be inside. An addon once loaded therefore stays.
    target_link_options(${target} PRIVATE -Wl,-z,now -Wl,-z,nodelete)
    # Names of kernels are long and many; tools that look into kernels do not read these.
    if(VATTN_CUDA)
      target_link_options(${target} PRIVATE -Wl,--strip-all)
    endif()
  endif()
endfunction()
