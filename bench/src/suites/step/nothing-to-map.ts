import { latencies, must, interleave } from '../../harness/index.ts'
import type { Sequence } from '@vattention/interface'
import type { NamedShape, SuiteContext } from '../../suite/index.ts'
import type { BenchCache } from '../memory/open-cache.ts'
import { stepsThatMapped } from './loads.ts'
import { cacheOf, drain, openSequences, timeStep, type StepSamples } from './timed-step.ts'
import type { Variant } from './variants.ts'
import { Room } from '../memory/room.ts'

/** Tokens that sequences grow to, again and again. */
const most = 160

/** Between rounds, which take less than a millisecond a cache. */
const restMs = 25

/** What decoding without anything to map is measured with. */
export interface NothingToMap {
  readonly shape: NamedShape
  readonly variants: readonly Variant[]
  readonly sequences: number
  /** For each variant. */
  readonly steps: number
  readonly budgetMs: number
}

interface Subject {
  readonly variant: Variant
  readonly cache: BenchCache
  readonly handles: Uint32Array
  readonly lengths: Uint32Array
  readonly found: StepSamples
}

/**
 * Every sequence decodes a token a step into memory that is there. The variants take turns in rounds
 * of one growth each: when single steps alternate, each finds the processor's caches full of the
 * others' data.
 */
export async function measureNothingToMap(
  context: SuiteContext,
  { shape, variants, sequences, steps, budgetMs }: NothingToMap,
): Promise<void> {
  const { recorder, clock, random, signal } = context
  const subjects: Subject[] = []
  const room = new Room(context.device)
  try {
    for (const variant of variants) {
      try {
        const cache = cacheOf(context, { shape, variant, sequences, length: most, room })
        const handles = openSequences(cache, sequences)
        const lengths = new Uint32Array(sequences).fill(most)
        subjects.push({ variant, cache, handles, lengths, found: { stepUs: [], mapped: 0 } })
        must(cache.step(handles, lengths))
        await drain(cache)
      } catch (error) {
        // What cannot hold its sequences takes no part.
        if (subjects.at(-1)?.variant === variant) await subjects.pop()!.cache.disposeAsync()
        recorder.skip(`nothing to map, ${variant.name}`, error)
      }
    }
    let round = 0
    await interleave({
      subjects: Object.fromEntries(
        subjects.map((subject) => [subject.variant.name, () => grow(subject)]),
      ),
      collect: () => undefined,
      endRound: () => {
        // The first round warms up.
        if (round++ === 0) for (const { found } of subjects) reset(found)
        return Promise.resolve()
      },
      restMs,
      most: Math.ceil(steps / (most - 1)),
      ...{ budgetMs, clock, random, signal },
    })
    for (const { variant, found } of subjects) {
      if (found.stepUs.length === 0) continue
      const { name, mapper, aheadTokens } = variant
      recorder.add({
        name: `step of ${sequences} sequences, nothing to map: ${name}`,
        parameters: {
          ...{ part: 'steps', load: 'nothing to map', sequences, shape: shape.name },
          ...{ cache: variant.cache.name, mapper, aheadTokens },
        },
        metrics: { stepUs: latencies(found.stepUs), ...stepsThatMapped(variant, found.mapped) },
      })
    }
  } finally {
    for (const { cache } of subjects) await cache.disposeAsync()
  }

  function grow({ cache, handles, lengths, found }: Subject): void {
    // A pool has no memory that is there and free: its sequences stay as they are.
    const grows = cache.kind === 'contiguous'
    // Truncating unmaps nothing: the next tokens find their pages.
    if (grows) for (const handle of handles) cache.truncate(handle as Sequence, 1)
    for (let length = 2; length <= most; length++) {
      if (grows) lengths.fill(length)
      const { stepUs, mapped } = timeStep(clock, cache, handles, lengths)
      found.stepUs.push(stepUs)
      if (mapped) found.mapped++
    }
  }
}

function reset(found: StepSamples): void {
  found.stepUs.length = 0
  found.mapped = 0
}
