import { cacheEventKinds, type CacheEvent } from '@vattention/interface'

/** Numbers per event that the addon writes: `vattn_event` without `size`, in its order. */
export const eventNumbers = 7

/** Events from the addon's numbers. */
export function toCacheEvents(numbers: Float64Array): CacheEvent[] {
  return Array.from({ length: numbers.length / eventNumbers }, (_, i) => {
    const at = i * eventNumbers
    return {
      kind: cacheEventKinds[numbers[at]!]!,
      slot: numbers[at + 1]!,
      thread: numbers[at + 2] === 0 ? 'caller' : 'mapper',
      startNs: numbers[at + 3]!,
      durationNs: numbers[at + 4]!,
      bytes: numbers[at + 5]!,
      count: numbers[at + 6]!,
    }
  })
}
