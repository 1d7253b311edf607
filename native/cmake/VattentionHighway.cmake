# vattention_use_highway(): defines the target `hwy` (Google Highway, static, SYSTEM includes) from
# the sources that scripts/bootstrap.mjs put into the cache folder.
#
# VATTN_SIMD_TARGETS  "all" (default): the instruction sets that the sources ask for, chosen at run
#                     time. "baseline": only what every CPU of this architecture has, for builds
#                     that look for something else than arithmetic.
include_guard(GLOBAL)

set(VATTN_SIMD_TARGETS all CACHE STRING "Instruction sets that kernels are built for: all, baseline")

function(vattention_use_highway)
  if(TARGET hwy)
    return()
  endif()
  set(source "$ENV{VATTENTION_HIGHWAY_DIR}")
  if(NOT EXISTS "${source}/CMakeLists.txt")
    message(FATAL_ERROR "VATTENTION_HIGHWAY_DIR (\"${source}\") holds no Highway sources. "
      "Build through npm, which fetches them: npm run bootstrap.")
  endif()
  set(BUILD_SHARED_LIBS OFF)
  set(BUILD_TESTING OFF)
  set(HWY_ENABLE_TESTS OFF CACHE BOOL "" FORCE)
  set(HWY_ENABLE_CONTRIB OFF CACHE BOOL "" FORCE)
  set(HWY_ENABLE_EXAMPLES OFF CACHE BOOL "" FORCE)
  set(HWY_ENABLE_INSTALL OFF CACHE BOOL "" FORCE)
  set(HWY_FORCE_STATIC_LIBS ON CACHE BOOL "" FORCE)
  set(HWY_WARNINGS_ARE_ERRORS OFF CACHE BOOL "" FORCE)
  add_subdirectory("${source}" "${CMAKE_BINARY_DIR}/highway" EXCLUDE_FROM_ALL)
  # Only what choosing an instruction set needs: the rest (benchmarks, counters, a profiler) takes
  # as long to compile as a library of ours.
  get_target_property(sources hwy SOURCES)
  list(FILTER sources INCLUDE REGEX "/(abort|aligned_allocator|print|targets)\\.(cc|h)$|\\.h$")
  set_target_properties(hwy PROPERTIES SOURCES "${sources}")
  if(VATTN_SIMD_TARGETS STREQUAL "baseline")
    target_compile_definitions(hwy PUBLIC HWY_COMPILE_ONLY_STATIC)
  endif()
  get_target_property(includes hwy INTERFACE_INCLUDE_DIRECTORIES)
  set_target_properties(hwy PROPERTIES INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${includes}")
endfunction()
