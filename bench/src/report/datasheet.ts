/** What a device reaches at most, as its maker says. */
export interface Datasheet {
  /** Of device memory, in GB/s (powers of ten). */
  readonly memoryGbPerSecond: number
  /** Of the matrix units in bfloat16 with float32 sums, dense, in TFLOP/s. */
  readonly matrixTflops: number
}

// Of NVIDIA's data sheets, SXM forms; figures there with sparsity are halved.
const datasheets: Record<string, Datasheet> = {
  'NVIDIA H200': { memoryGbPerSecond: 4800, matrixTflops: 989 },
  'NVIDIA H100 80GB HBM3': { memoryGbPerSecond: 3350, matrixTflops: 989 },
  'NVIDIA A100-SXM4-80GB': { memoryGbPerSecond: 2039, matrixTflops: 312 },
}

/** The data sheet of a device by the name its driver tells; undefined when it is not known here. */
export function datasheetOf(device: string | undefined): Datasheet | undefined {
  return device === undefined ? undefined : datasheets[device]
}
