# What every native target of this repository is compiled with.
#
#   vattention_warnings  interface target: warnings, and warnings are errors. For our code only.
#   vattention_include   interface target: the C ABI (native/include) and native/ itself, so that
#                        sources say "vattention/status.h" and "memory/driver.h".
#   vattention_portable  interface target of what is loaded or run on other machines: the C++
#                        library is linked statically.
#   VATTN_SANITIZE       "address", "undefined", "thread", or "address,undefined": the whole build,
#                        dependencies included, is instrumented.
#   vattention_use_library(memory|paged|attention/cpu|ops/cpu)
#                        adds a library folder of native/ to this build, once.
include_guard(GLOBAL)

set(VATTENTION_NATIVE_DIR "${CMAKE_CURRENT_LIST_DIR}/..")
cmake_path(NORMAL_PATH VATTENTION_NATIVE_DIR)
list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # static libraries end up in addons
set(CMAKE_CXX_VISIBILITY_PRESET hidden) # only the Node-API entry point leaves an addon
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
# Distribution machines differ from the build machine: never -march=native. Kernels dispatch.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG") # kernels ask for -O3
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(VATTN_SANITIZE "" CACHE STRING "Sanitizers, separated by commas: address, undefined, thread")
if(VATTN_SANITIZE)
  # Half the time to compile, and reports still name lines.
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -DNDEBUG")
  add_compile_options(-fsanitize=${VATTN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${VATTN_SANITIZE})
  if(VATTN_SANITIZE MATCHES "undefined")
    # Without those that AddressSanitizer finds as well, or makes harmless: they take half the time.
    add_compile_options(-fno-sanitize-recover=undefined
      -fno-sanitize=null,object-size,pointer-overflow)
  endif()
endif()

add_library(vattention_warnings INTERFACE)
target_compile_options(vattention_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wnon-virtual-dtor;-Wvla;-Werror>
  # GCC 12 warns of overlaps inside its own std::string (GCC bug 105651).
  $<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)

add_library(vattention_include INTERFACE)
target_include_directories(vattention_include INTERFACE
  "${VATTENTION_NATIVE_DIR}/include" "${VATTENTION_NATIVE_DIR}")

# Machines have older libraries of C++ than the compiler's, or none. Hidden, so that an addon's copy is
# its own: no exception and no C++ type leaves one. Without what is not called: some of it needs a newer
# glibc. libgcc stays shared, for the same reason.
add_library(vattention_portable INTERFACE)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT VATTN_SANITIZE)
  target_link_options(vattention_portable INTERFACE
    -static-libstdc++ -Wl,--exclude-libs,ALL -Wl,--gc-sections)
endif()

# ThreadSanitizer reserves 2^40 bytes of address space, so code that reserves more than that asks.
if(VATTN_SANITIZE MATCHES "thread")
  target_compile_definitions(vattention_include INTERFACE VATTN_THREAD_SANITIZER=1)
endif()

function(vattention_use_library folder)
  string(REPLACE "/" "_" target "vattention_${folder}")
  if(TARGET ${target})
    return()
  endif()
  # Only what something links is built.
  add_subdirectory("${VATTENTION_NATIVE_DIR}/${folder}" "${CMAKE_BINARY_DIR}/native/${folder}"
    EXCLUDE_FROM_ALL)
  if(NOT TARGET ${target})
    message(FATAL_ERROR "native/${folder}/CMakeLists.txt must define the target ${target}.")
  endif()
endfunction()

# vattention_add_library(<target> SOURCES ... [LIBRARIES ...] [PRIVATE_LIBRARIES ...])
# A static library of native/, with our warnings. LIBRARIES are seen by those who link it too.
function(vattention_add_library target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES;PRIVATE_LIBRARIES")
  find_package(Threads REQUIRED)
  add_library(${target} STATIC ${arg_SOURCES})
  target_link_libraries(${target}
    PUBLIC vattention_include Threads::Threads ${arg_LIBRARIES}
    PRIVATE vattention_warnings ${arg_PRIVATE_LIBRARIES})
  # A third of the time. Not for what ships: there every file must name what it uses.
  if(VATTN_SANITIZE)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()
