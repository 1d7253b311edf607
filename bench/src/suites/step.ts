import { Option } from 'commander'

import { atLeast, atMost } from '../harness/index.ts'
import type { Latencies, MeasuredCase } from '../result/index.ts'
import { namedShape, type Suite, type SuiteContext } from '../suite/index.ts'
import { optionNumber, shapeNumbers } from './memory/describe.ts'
import { guarded } from './memory/guarded.ts'
import { count } from './option-values.ts'
import { measureCalls } from './step/calls.ts'
import { measureDecoding } from './step/decoding.ts'
import { iterationCaches, measureIterations } from './step/iterations.ts'
import { measureNothingToMap } from './step/nothing-to-map.ts'
import { pageTokensOf } from './step/page-tokens.ts'
import { measureTurnover } from './step/turnover.ts'
import { ownCaches, variantsOf } from './step/variants.ts'

/** What a serving loop waits for before each forward pass. */
export const step: Suite = {
  name: 'step',
  kind: 'memory',
  summary:
    'Latency of step under decode: with and without the mapper and mapping ahead, beside the paged cache; every iteration of growing sequences.',
  options: () => [
    new Option('--sequences <count>', 'that are stepped together').argParser(count()),
    new Option('--steps <count>', 'of each load').argParser(count()),
    new Option('--iterations <count>', 'that are told one by one').argParser(count()),
  ],
  budgetSeconds: { full: 180, quick: 60 },
  open(context) {
    const numbers = numbersOf(context)
    const { device, settings } = context
    const { sequences, steps, iterations, paceMs, length } = numbers
    const shape = settings.shapes?.[0] ?? namedShape(device.isGpu ? 'llama-3-8b' : 'smollm2-135m')
    const caches = settings.caches ?? ownCaches(device.isGpu)
    const variants = caches.flatMap((cache) => variantsOf(cache))
    const contiguous = caches.find(({ kind }) => kind === 'contiguous') ?? caches[0]!
    // One in a hundred sequences crosses into another page.
    const every = Math.round(100 / pageTokensOf(device.device, shape, contiguous))
    const run = (budgetMs: number) => ({ steps, warmUp: Math.ceil(steps / 4), paceMs, budgetMs })
    const decoding = (budgetMs: number) => ({ shape, variants, sequences, ...run(budgetMs) })
    return {
      protocol: {
        timer: 'the host, around one call from JavaScript',
        order:
          'blocks of steps of one cache; blocks shuffled within rounds; short rounds 10 to 25 ms apart',
        paceMs,
        warmUp: 'a fourth of the steps, with turnover on a CPU more; nothing to map: a round',
        mapper: 'null: a pool needs none',
        requests: 'the same for all caches',
      },
      workload: {
        shape: shapeNumbers(shape),
        ...{ sequences, steps, iterations },
        caches: caches.map(({ name }) => name),
      },
      cells: [
        {
          name: 'nothing to map',
          measure: (budgetMs: number) =>
            measureNothingToMap(context, {
              ...{ shape, budgetMs },
              // Where nothing is to map it makes no difference how far ahead; and each cache takes
              // mappings, of which a process has 65,530 on most systems.
              variants: variants.filter(({ mapper, aheadTokens }) => !mapper || aheadTokens > 1),
              sequences: numbers.idleSequences,
              steps: numbers.idleSteps,
            }),
        },
        ...(every > 1
          ? [
              {
                name: '1 % crossing',
                weight: 2,
                measure: (budgetMs: number) =>
                  measureDecoding(context, { ...decoding(budgetMs), load: '1 % crossing', every }),
              },
            ]
          : []),
        {
          name: 'all decoding',
          weight: 2,
          measure: (budgetMs: number) =>
            measureDecoding(context, {
              ...decoding(budgetMs),
              load: 'all decoding',
              every: 1,
              // Each step takes as many tokens as the others take in several.
              ...(device.isGpu && { steps: Math.ceil(steps / 3), paceMs: 2.5 * paceMs }),
            }),
        },
        {
          name: 'turnover',
          weight: 2,
          measure: (budgetMs: number) =>
            measureTurnover(context, {
              ...decoding(budgetMs),
              ...numbers.turnover,
              sequences: numbers.turnoverSequences,
              length,
            }),
        },
        {
          name: 'iterations',
          weight: 2,
          measure: (budgetMs: number) =>
            measureIterations(context, {
              ...{ shape, sequences: 4, paceMs, budgetMs },
              ...{ steps: iterations, warmUp: 0 },
              caches:
                settings.caches?.filter(({ kind }) => kind === 'contiguous') ??
                iterationCaches(device.isGpu),
            }),
        },
        {
          name: 'calls',
          measure: (budgetMs: number) =>
            measureCalls(context, {
              ...{ shape, caches, sequences, budgetMs },
              rounds: settings.quick ? 10 : 200,
            }),
        },
      ].map((cell) => guarded(context, cell)),
      conclude: () => judge(context),
      close: () => undefined,
    }
  },
}

function numbersOf(context: SuiteContext) {
  const { device, settings } = context
  const { quick } = settings
  const { isGpu } = device
  const sequences = optionNumber(context, 'sequences', isGpu ? 256 : quick ? 16 : 32)
  const steps = optionNumber(context, 'steps', isGpu ? (quick ? 300 : 1500) : quick ? 200 : 600)
  return {
    sequences,
    steps,
    // Of a step that finds everything there, 256 sequences are the bar's.
    idleSequences: optionNumber(context, 'sequences', quick && !isGpu ? 64 : 256),
    idleSteps: optionNumber(context, 'steps', quick ? 2000 : 20_000),
    iterations: optionNumber(
      context,
      'iterations',
      isGpu ? (quick ? 1100 : 2200) : quick ? 400 : 1200,
    ),
    paceMs: quick ? 1 : 2,
    // Those of the bar.
    turnoverSequences: optionNumber(context, 'sequences', quick ? 16 : 64),
    // A share of 99 % has to rest on more than a few steps, and the first ones of a cache that nothing
    // was in map more than those of a server that has been running for a while.
    turnover: isGpu || quick ? {} : { steps: 4 * steps, warmUp: 2.5 * steps },
    /** Tokens of the longest sequence that comes and goes. */
    length: quick ? 256 : 2048,
  }
}

/** Bars of the sequences and loads that they were set for. */
function judge({ recorder, device, settings }: SuiteContext): void {
  const found = (load: string, sequences: number, mapper: true | null) =>
    recorder.cases.find(
      ({ parameters }) =>
        parameters.load === load &&
        parameters.sequences === sequences &&
        parameters.mapper === mapper &&
        (mapper === null || Number(parameters.aheadTokens) > 1),
    )
  const own = (load: string, sequences: number) => found(load, sequences, true)
  const p99 = (one: MeasuredCase | undefined) =>
    (one?.metrics.stepUs as Latencies | undefined)?.p99 ?? null
  const unit = { unit: 'us' }
  const idle = own('nothing to map', 256)
  if (idle) {
    recorder.bar(atMost('step of 256 sequences, nothing to map: p99', p99(idle), 50, unit))
    const { stepsThatMappedCount } = idle.metrics
    const mapped = typeof stepsThatMappedCount === 'number' ? stepsThatMappedCount : null
    recorder.bar(atMost('step of 256 sequences, nothing to map: steps that mapped', mapped, 0))
  }
  const pool = found('nothing to map', 256, null)
  if (pool) {
    recorder.bar(atMost('step of 256 sequences, nothing to do, paged: p99', p99(pool), 50, unit))
  }
  const crossing = own('1 % crossing', 256)
  if (crossing && device.isGpu) {
    recorder.bar(atMost('step of 256 sequences, 1 % crossing: p99', p99(crossing), 100, unit))
  }
  const turnover = settings.quick ? undefined : own('turnover', 64)
  const share = turnover?.metrics.stepsWithoutDriverCallShare
  if (typeof share === 'number') {
    const name = '64 sequences with turnover: steps without a driver call'
    recorder.bar(atLeast(name, share, 0.99, { unit: 'share' }))
  }
}
