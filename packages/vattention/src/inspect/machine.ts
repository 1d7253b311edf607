import { availableParallelism, cpus, freemem, release, totalmem, type } from 'node:os'

/** The machine, as far as a serving process cares. */
export interface Machine {
  readonly os: string
  readonly node: string
  readonly cpu: string
  /** Cores that this process may use. */
  readonly cores: number
  readonly memoryBytes: number
  readonly freeMemoryBytes: number
  /** The cgroup's limit; absent when there is none. */
  readonly memoryLimitBytes?: number
}

/** Reads it. */
export function readMachine(): Machine {
  const limit = process.constrainedMemory()
  return {
    os: `${type()} ${release()} ${process.arch}`,
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    // Node gives 0 or an absurdly large number where nothing limits it.
    ...(limit !== undefined && limit > 0 && limit < totalmem() ? { memoryLimitBytes: limit } : {}),
  }
}
