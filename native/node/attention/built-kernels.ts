import type { DType } from '@vattention/interface'

/** What the kernels of a CUDA build were compiled for (`npm run build:cuda`). */
export interface BuiltKernels {
  /** `90a`, `80`: GPUs, as the compiler names them. */
  readonly archs: readonly string[]
  readonly headDims: readonly number[]
  /** Of query, output and cache. */
  readonly dtypes: readonly DType[]
  /** Whether kernels with a soft cap are in it. */
  readonly softCap: boolean
  /** Whether kernels over e4m3 caches are in it. */
  readonly fp8: boolean
}

/** What is built when nothing else is asked for. */
export const defaultBuild: BuiltKernels = Object.freeze<BuiltKernels>({
  archs: ['90a', '80'],
  headDims: [64, 128],
  dtypes: ['bfloat16', 'float16'],
  softCap: false,
  fp8: false,
})

/** The compute capability that an architecture is named for: `9.0` of `90a`. */
const capabilityOf = (arch: string) => (Number.parseInt(arch, 10) / 10).toFixed(1)

/** The compute capabilities that architectures are named for, ascending. */
export function computeCapabilities(archs: readonly string[]): string[] {
  return archs.map(capabilityOf).sort((a, b) => Number(a) - Number(b))
}

/**
 * Whether machine code for one of `archs` runs on a GPU: it does on later ones of the same major
 * version, with an `a` on no other at all.
 *
 * @param capability Of the GPU: `8.6`.
 */
export function runsOn(archs: readonly string[], capability: string): boolean {
  return archs.some((arch) => {
    const built = capabilityOf(arch)
    if (arch.endsWith('a')) return built === capability
    const sameMajor = built.split('.')[0] === capability.split('.')[0]
    return sameMajor && Number(built) <= Number(capability)
  })
}
