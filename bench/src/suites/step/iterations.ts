import { latencies, must } from '../../harness/index.ts'
import {
  namedCache,
  type NamedCache,
  type NamedShape,
  type SuiteContext,
} from '../../suite/index.ts'
import {
  crossing,
  runLoads,
  stepsThatMapped,
  type Load,
  type LoadRun,
  type VariantLoad,
} from './loads.ts'
import { pageTokensOf } from './page-tokens.ts'
import { cacheOf, drain, openSequences } from './timed-step.ts'
import { variantsOf } from './variants.ts'
import { Room } from '../memory/room.ts'

/** Layouts whose iterations are told one by one: few large events, and many small ones. */
export const iterationCaches = (isGpu: boolean): readonly NamedCache[] =>
  (isGpu ? ['split/2MiB', 'interleaved/2MiB'] : ['split', 'interleaved/2MiB']).map(namedCache)

/** Tokens that sequences begin with. */
const first = 1

/** All sequences grow by a token in every iteration, together. */
class InStep implements Load {
  readonly handles: Uint32Array
  readonly lengths: Uint32Array
  readonly #pageTokens: number

  constructor(handles: Uint32Array, pageTokens: number) {
    this.handles = handles
    this.lengths = handles.map(() => first)
    this.#pageTokens = pageTokens
  }

  advance(): number {
    const crosses = crossing(this.lengths[0]!, this.#pageTokens)
    for (let i = 0; i < this.lengths.length; i++) this.lengths[i]!++
    return crosses ? this.lengths.length : 0
  }
}

/** Which iterations are told. */
export interface Iterations extends LoadRun {
  readonly shape: NamedShape
  readonly caches: readonly NamedCache[]
  readonly sequences: number
}

/**
 * The latency of every iteration, in order: with a tensor for each layer and large pages all of them
 * need a page in the same iteration, every page's tokens; interleaved there are smaller events, more
 * often. With mapping ahead they go.
 */
export async function measureIterations(context: SuiteContext, about: Iterations): Promise<void> {
  const { device, recorder } = context
  const { shape, caches, sequences, steps, warmUp } = about
  const length = first + steps + warmUp + 1
  const loads: VariantLoad[] = []
  const room = new Room(context.device)
  try {
    const variants = caches
      .flatMap((cache) => variantsOf(cache))
      .filter(({ mapper, aheadTokens }) => mapper === false || aheadTokens > 1)
    for (const variant of variants) {
      try {
        const cache = cacheOf(context, { shape, variant, sequences, length, room })
        const handles = openSequences(cache, sequences)
        const load = new InStep(handles, pageTokensOf(device.device, shape, variant.cache))
        loads.push({ variant, cache, load })
        must(cache.step(handles, load.lengths))
        await drain(cache)
      } catch (error) {
        // What cannot hold its sequences takes no part.
        if (loads.at(-1)?.variant === variant) await loads.pop()!.cache.disposeAsync()
        recorder.skip(`iterations, ${variant.name}`, error)
      }
    }
    const found = await runLoads(context, loads, about)
    for (const { variant } of loads) {
      const { stepUs, driverCalls, crossed } = found.get(variant.name)!
      if (stepUs.length === 0) continue
      const { name, mapper, aheadTokens, cache } = variant
      recorder.add({
        name: `iterations of ${sequences} sequences: ${name}`,
        parameters: {
          ...{ part: 'iterations', load: 'iterations', sequences, shape: shape.name },
          ...{ cache: cache.name, mapper, aheadTokens },
        },
        metrics: {
          stepUs: latencies(stepUs),
          ...stepsThatMapped(variant, driverCalls.filter((calls) => calls > 0).length),
          pageTokens: pageTokensOf(device.device, shape, cache),
          iterationsThatCrossCount: crossed.filter((one) => one > 0).length,
        },
        // In the order of the iterations: the plot of spikes.
        samples: { stepUs, driverCallsCount: driverCalls },
      })
    }
  } finally {
    for (const { cache } of loads) await cache.disposeAsync()
  }
}
