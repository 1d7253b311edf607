/** What the program measures (`kGpuCases` of bench/native/gpu_bench.h). */
export interface LaunchTask {
  /** The program's. */
  readonly name: string
  readonly kind: 'prefill' | 'decode'
  /** Backends that it has for it. */
  readonly backends: number
}

export const launchTasks: readonly LaunchTask[] = [
  { name: 'prefill 16K', kind: 'prefill', backends: 3 },
  { name: 'decode 16x16K', kind: 'decode', backends: 4 },
  { name: 'decode 64x4K', kind: 'decode', backends: 4 },
]

/** Upstream's launcher, called with parameters that were made once. */
export const raw = 'raw'
/** Ours over keys and values in one allocation, and over those of a cache. */
export const allocation = 'cudaMalloc'
export const pages = 'pages'
