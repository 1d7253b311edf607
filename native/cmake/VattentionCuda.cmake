# What a tree with CUDA adds (npm run build:cuda, which says where the compiler and the sources are).
#
#   VATTN_CUDA_ARCHS      "90a;80": the GPUs that kernels are compiled for. FlashAttention-3 only for 90a.
#   VATTN_CUDA_HEAD_DIMS  "64;128"
#   VATTN_CUDA_DTYPES     "bf16;fp16"
#   VATTN_CUDA_SOFT_CAP   kernels that cap scores, too
#   VATTN_CUDA_FP8        kernels that read e4m3, too
#   VATTN_CUDA_CHECK      only look for errors: no machine code, nothing optimised (npm run check:cuda)
#   VATTN_CUDA_HEAVY_JOBS how many of FlashAttention-3's files are compiled at a time: 6 GB each
#
# Code that asks what was built includes "attention/built.h".
include_guard(GLOBAL)

set(VATTN_CUDA_ARCHS "90a;80" CACHE STRING "GPUs that kernels are compiled for")
set(VATTN_CUDA_HEAD_DIMS "64;128" CACHE STRING "Head dimensions that kernels are compiled for")
set(VATTN_CUDA_DTYPES "bf16;fp16" CACHE STRING "Element types that kernels are compiled for")
option(VATTN_CUDA_SOFT_CAP "Kernels with a soft cap of scores" OFF)
option(VATTN_CUDA_FP8 "Kernels over e4m3 caches" OFF)
option(VATTN_CUDA_CHECK "Compile for errors only" OFF)
set(VATTN_CUDA_HEAVY_JOBS 1 CACHE STRING "Files of FlashAttention-3 compiled at a time")

foreach(variable VATTENTION_FLASH_ATTENTION_DIR VATTENTION_FLASHINFER_DIR VATTENTION_VLLM_DIR)
  if(NOT IS_DIRECTORY "$ENV{${variable}}")
    message(FATAL_ERROR "${variable} (\"$ENV{${variable}}\") is not a folder. "
      "Build with `npm run build:cuda`, which fetches what CUDA builds need.")
  endif()
endforeach()

set(arch_code real)
if(VATTN_CUDA_CHECK)
  set(arch_code virtual)
endif()
set(CMAKE_CUDA_ARCHITECTURES ${VATTN_CUDA_ARCHS})
list(TRANSFORM CMAKE_CUDA_ARCHITECTURES APPEND "-${arch_code}")
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20) # CMake before 3.26 knows none for nvcc
endif()
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
set(CMAKE_CUDA_FLAGS_RELEASE "-O3 -DNDEBUG")
if(VATTN_CUDA_CHECK)
  string(APPEND CMAKE_CUDA_FLAGS_RELEASE " -Xcicc=-O0")
endif()
set_property(GLOBAL APPEND PROPERTY JOB_POOLS vattention_heavy=${VATTN_CUDA_HEAVY_JOBS})

# attention/built.h
function(vattention_generate_built_h folder)
  set(head_dims "")
  foreach(head_dim IN LISTS VATTN_CUDA_HEAD_DIMS)
    string(APPEND head_dims " F(${head_dim})")
  endforeach()
  list(JOIN VATTN_CUDA_HEAD_DIMS "," head_dim_list)
  list(JOIN VATTN_CUDA_ARCHS "," arch_list)
  foreach(flag SOFT_CAP FP8)
    set(${flag} $<BOOL:${VATTN_CUDA_${flag}}>)
  endforeach()
  set(FLOAT16 0)
  set(BFLOAT16 0)
  if("fp16" IN_LIST VATTN_CUDA_DTYPES)
    set(FLOAT16 1)
  endif()
  if("bf16" IN_LIST VATTN_CUDA_DTYPES)
    set(BFLOAT16 1)
  endif()
  file(GENERATE OUTPUT "${folder}/attention/built.h" CONTENT
"// What this build's kernels were compiled for. Generated: native/cmake/VattentionCuda.cmake.
#ifndef VATTENTION_ATTENTION_BUILT_H_
#define VATTENTION_ATTENTION_BUILT_H_

// Calls F(head dimension) for each.
#define VATTN_CUDA_HEAD_DIMS(F)${head_dims}
#define VATTN_CUDA_HEAD_DIM_LIST \"${head_dim_list}\"
#define VATTN_CUDA_ARCHS \"${arch_list}\"
#define VATTN_CUDA_FLOAT16 ${FLOAT16}
#define VATTN_CUDA_BFLOAT16 ${BFLOAT16}
#define VATTN_CUDA_SOFT_CAP ${SOFT_CAP}
#define VATTN_CUDA_FP8 ${FP8}

#endif  // VATTENTION_ATTENTION_BUILT_H_
")
endfunction()
vattention_generate_built_h("${CMAKE_BINARY_DIR}/generated")

# Our own .cu: warnings are errors, of the device's compiler and of the host's. nvcc writes lines that
# -Wpedantic takes exception to.
add_library(vattention_cuda_warnings INTERFACE)
target_compile_options(vattention_cuda_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings;-Xcompiler=-Wall,-Wextra,-Wnon-virtual-dtor,-Wvla,-Werror>)

add_library(vattention_cuda_include INTERFACE)
target_include_directories(vattention_cuda_include INTERFACE "${CMAKE_BINARY_DIR}/generated")
target_link_libraries(vattention_cuda_include INTERFACE vattention_include CUDA::cudart_static)

# Everything of ours that is compiled in this tree, without upstream's kernels and without linking.
add_custom_target(vattention_cuda_check)

# vattention_add_cuda_library(<target> [SOURCES ...] [ARCHS ...] [LIBRARIES ...] [PRIVATE_LIBRARIES ...]
#                             [KERNELS ...])
#
# A static library of every .cc and .cu in the folder that calls it, and of SOURCES, which are generated.
# LIBRARIES are seen by those who link it, too. KERNELS: targets of vattention_add_kernels that it
# contains. ARCHS: default all.
function(vattention_add_cuda_library target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" ""
    "SOURCES;ARCHS;LIBRARIES;PRIVATE_LIBRARIES;KERNELS")
  find_package(Threads REQUIRED)
  file(GLOB sources CONFIGURE_DEPENDS *.cc *.cu)
  list(APPEND sources ${arg_SOURCES})
  add_library(${target}_objects OBJECT ${sources})
  target_link_libraries(${target}_objects
    PUBLIC vattention_cuda_include Threads::Threads ${arg_LIBRARIES}
    PRIVATE vattention_warnings vattention_cuda_warnings ${arg_PRIVATE_LIBRARIES})
  vattention_set_cuda_archs(${target}_objects ${arg_ARCHS})
  add_dependencies(vattention_cuda_check ${target}_objects)

  add_library(${target} STATIC)
  target_link_libraries(${target}
    PUBLIC vattention_cuda_include Threads::Threads ${arg_LIBRARIES}
    PRIVATE ${target}_objects ${arg_KERNELS})
endfunction()

# vattention_add_kernels(<target> SOURCES ... LIBRARIES ... [ARCHS ...] [HEAVY])
#
# Upstream's files, as they are, compiled with what LIBRARIES say. HEAVY: 6 GB of memory each.
function(vattention_add_kernels target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "HEAVY" "" "SOURCES;LIBRARIES;ARCHS")
  add_library(${target} OBJECT ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE vattention_include CUDA::cudart_static ${arg_LIBRARIES})
  # What upstream is written in. Its warnings are not ours to mend.
  set_target_properties(${target} PROPERTIES CUDA_STANDARD 17)
  target_compile_options(${target} PRIVATE -w)
  if(arg_HEAVY)
    set_target_properties(${target} PROPERTIES JOB_POOL_COMPILE vattention_heavy)
  endif()
  vattention_set_cuda_archs(${target} ${arg_ARCHS})
endfunction()

# The GPUs that a target's .cu are compiled for: all, or those of `archs` that are built at all.
function(vattention_set_cuda_archs target)
  if(NOT ARGN)
    return()
  endif()
  set(archs ${CMAKE_CUDA_ARCHITECTURES})
  list(JOIN ARGN "|" wanted)
  list(FILTER archs INCLUDE REGEX "^(${wanted})-")
  set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES "${archs}")
endfunction()
