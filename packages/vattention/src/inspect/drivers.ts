import { ContiguousKvCache } from '@vattention/core'
import type { Device, VattentionError } from '@vattention/interface'

/** A memory driver on this machine. */
export type DriverReport =
  | {
      readonly name: string
      readonly available: true
      /** Memory that a cache could be given: RAM, cgroup or device. */
      readonly limitBytes: number
      /** Mappings that caches of this process may hold. */
      readonly mappingBudget: number
    }
  | { readonly name: string; readonly available: false; readonly reason: string }

const drivers: readonly { readonly name: string; readonly device: Device }[] = [
  { name: 'host', device: { type: 'cpu' } },
  { name: 'cuda', device: { type: 'cuda', index: 0 } },
]

/** Opens a cache of one token on each driver, and says what came of it. */
export function readDrivers(): DriverReport[] {
  return drivers.map(({ name, device }) => {
    try {
      using cache = new ContiguousKvCache({
        ...{ layers: 1, kvHeads: 1, headDim: 64, dtype: 'bfloat16', device },
        ...{ maxSequences: 1, maxLength: 1, limitBytes: Number.MAX_SAFE_INTEGER, mapAhead: false },
      })
      const { limitBytes, mappingBudget } = cache.stats()
      return { name, available: true, limitBytes, mappingBudget }
    } catch (error) {
      return { name, available: false, reason: (error as VattentionError).message }
    }
  })
}
