import type { KvCacheShape } from '@vattention/interface'

import { namedShape, type SuiteContext } from '../../suite/index.ts'
import {
  blockBytesHeld,
  CountedCache,
  maxBatch,
  pageBytesHeld,
  staticBytesHeld,
  type HeldBytes,
} from '../../traces/index.ts'
import type { ReplayedTrace } from '../memory/trace-options.ts'

const gib = 2 ** 30

/** Memory for keys and values: what a GPU of 80 GB has beside the weights of such models. */
const memoryBytes = 60 * gib

const mostSequences = 100_000

/** What a sequence holds under each way of taking memory. */
const ways: Readonly<Record<string, (shape: KvCacheShape) => HeldBytes>> = {
  'split, 64 KiB': (shape) =>
    pageBytesHeld(shape, { pageBytes: 2 ** 16, tensors: 2 * shape.layers }),
  'split, 2 MiB': (shape) =>
    pageBytesHeld(shape, { pageBytes: 2 ** 21, tensors: 2 * shape.layers }),
  'interleaved, 2 MiB': (shape) => pageBytesHeld(shape, { pageBytes: 2 ** 21, tensors: 1 }),
  'paged-16': (shape) => blockBytesHeld(shape, 16),
  'paged-256': (shape) => blockBytesHeld(shape, 256),
  static: staticBytesHeld,
}

/**
 * The largest batch of published shapes at the trace's own lengths: arithmetic, the same that the real
 * caches are checked against, for machines that do not have such memory.
 */
export function measureComputed({ recorder }: SuiteContext, trace: ReplayedTrace): void {
  const { lengthDivisor } = trace.scale
  const lengths = trace.trace.requests.map(
    (one) => (one.promptTokens + one.outputTokens) * lengthDivisor,
  )
  const maxLength = Math.max(...lengths)
  for (const name of ['yi-6b', 'llama-3-8b', 'yi-34b-tp2']) {
    const { layers, kvHeads, headDim, dtype } = namedShape(name)
    const shape: KvCacheShape = {
      ...{ layers, kvHeads, headDim, dtype, maxLength },
      valueHeadDim: headDim,
      maxSequences: mostSequences,
    }
    for (const [cache, held] of Object.entries(ways)) {
      const counted = new CountedCache(shape, memoryBytes, held(shape))
      const batch = maxBatch(counted, endless(lengths))
      recorder.add({
        name: `${trace.name}: ${name}, ${cache}, largest batch, computed`,
        parameters: { part: 'computed', trace: trace.name, cache, shape: name },
        metrics: {
          sequencesCount: batch.sequences,
          usedShare: batch.mappedBytes > 0 ? batch.usedBytes / batch.mappedBytes : null,
          limitBytes: memoryBytes,
        },
      })
    }
  }
}

/** Lengths again and again. */
function* endless(lengths: readonly number[]): Generator<number> {
  for (;;) yield* lengths
}
