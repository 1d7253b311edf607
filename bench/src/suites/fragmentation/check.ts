import type { SuiteContext } from '../../suite/index.ts'
import { CountedCache, simulateMemory } from '../../traces/index.ts'
import type { Replay } from './replay.ts'
import { cacheShape, subjectOf, type Subject } from './subjects.ts'

/** Rows that are enough to see every state, and live sequences that any machine has memory for. */
const checkedRows = 24
const maxLive = 4

/**
 * Replays the beginning of a trace against a cache with ample memory, and against arithmetic: why they
 * differ, or undefined. Where memory is scarce they need not preempt alike.
 */
export async function checkAgainstCount(
  { device }: SuiteContext,
  { shape, trace, secondsPerStep }: Replay,
  { cache, held }: Subject,
): Promise<string | undefined> {
  const rows = { ...trace.trace, requests: trace.trace.requests.slice(0, checkedRows) }
  const room = { shape, maxSequences: maxLive, maxLength: trace.longest }
  const shapeOfAll = cacheShape({ ...room, limitBytes: 0 })
  const limitBytes = maxLive * held!(trace.longest)
  const options = { secondsPerStep, maxLive }
  const counted = simulateMemory(new CountedCache(shapeOfAll, limitBytes, held!), rows, options)
  const opened = subjectOf(device.device, cache, { ...room, limitBytes }).open(false)
  try {
    const found = simulateMemory(opened, rows, options)
    for (const [i, expected] of counted.samples.entries()) {
      const got = found.samples[i]
      for (const key of ['liveSequences', 'usedBytes', 'neededBytes'] as const) {
        if (got?.[key] === expected[key]) continue
        return `${key} of step ${i}: ${got?.[key]} instead of ${expected[key]}`
      }
    }
    return undefined
  } finally {
    await opened.disposeAsync()
  }
}
