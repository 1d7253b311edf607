import { atMost, must } from '../../harness/index.ts'
import {
  tokenBytes,
  type NamedCache,
  type NamedShape,
  type SuiteContext,
} from '../../suite/index.ts'
import { granuleBytes, openCache, type BenchCache } from '../memory/open-cache.ts'
import { openSequences } from '../step/timed-step.ts'

/** Sequences of all lengths. */
const sequences = 16

/** What is grown. */
export interface Waste {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  readonly maxLength: number
}

/** The most that a sequence wastes while it grows token by token, and what sequences of all lengths do. */
export async function measureWaste(
  context: SuiteContext,
  { shape, caches, maxLength }: Waste,
): Promise<void> {
  const { device, recorder, signal } = context
  for (const cache of caches) {
    await new Promise((done) => setImmediate(done))
    if (signal.aborted) return
    const name = `waste, ${cache.name}`
    try {
      const room = { shape, cache, maxLength, maxSequences: sequences, limitBytes: 2 ** 30 }
      const boundBytes = granuleBytes(device.device, room)
      const limitBytes = sequences * (boundBytes + tokenBytes(shape) * maxLength)
      const opened = openCache(device.device, { ...room, limitBytes })
      try {
        const worst = worstWaste(opened, maxLength)
        const { wasteBytes, usedBytes, neededBytes } = mixedLengths(opened, maxLength)
        recorder.add({
          name,
          parameters: { part: 'waste', cache: cache.name, sequences, shape: shape.name },
          metrics: {
            worstSequenceWasteBytes: worst,
            boundBytes,
            mixedWasteBytes: wasteBytes,
            mixedUsedBytes: usedBytes,
            mixedWasteShare: wasteBytes / neededBytes,
          },
        })
        recorder.bar(
          atMost(`${cache.name}: waste of one sequence`, worst, boundBytes, { unit: 'B' }),
        )
      } finally {
        await opened.disposeAsync()
      }
    } catch (error) {
      recorder.skip(name, error)
    }
  }
}

function worstWaste(cache: BenchCache, maxLength: number): number {
  const { sequence } = cache.allocate()!
  let worst = 0
  for (let length = 1; length <= maxLength; length++) {
    must(cache.step(Uint32Array.of(sequence), Uint32Array.of(length)))
    worst = Math.max(worst, cache.stats().wasteBytes)
  }
  cache.free(sequence)
  return worst
}

function mixedLengths(cache: BenchCache, maxLength: number) {
  const handles = openSequences(cache, sequences)
  must(
    cache.step(
      handles,
      handles.map((_, i) => 1 + ((i * 761) % maxLength)),
    ),
  )
  return cache.stats()
}
