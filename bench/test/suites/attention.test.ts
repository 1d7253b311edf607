import { describe, expect, it } from 'vitest'

import { compareResults } from '../../src/compare/index.ts'
import { HostDevice, type OpenBackends } from '../../src/harness/index.ts'
import { placedCases, resultReasons, type Result } from '../../src/result/index.ts'
import { questions } from '../../src/report/questions/index.ts'
import { namedCache, namedShape, type Suite } from '../../src/suite/index.ts'
import { runSuite, type SuiteRun } from '../../src/suite/run-suite.ts'
import { makeDecode } from '../../src/suites/decode.ts'
import { makeLayout } from '../../src/suites/layout.ts'
import { makePrefill } from '../../src/suites/prefill.ts'
import { HandClock } from './support/hand-clock.ts'
import { scale, wrappedBackends } from './support/wrapped-backend.ts'

const batches = [
  { sequences: 2, tokens: 24 },
  { sequences: 1, tokens: 40 },
]
const small: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  prefill: {
    lengths: [40, 24],
    chunks: [{ chunk: 8, tokens: 24 }],
    mixed: [{ chunk: 8, tokens: 24, decoding: 2 }],
  },
  decode: { batches, threads: 1 },
  layout: { batches, lengths: [24] },
}
const suites: readonly (readonly [string, (open: OpenBackends) => Suite])[] = [
  ['prefill', makePrefill],
  ['decode', makeDecode],
  ['layout', makeLayout],
]

interface RunOptions {
  readonly clock?: HandClock
  readonly signal?: AbortSignal
  readonly budgetSeconds?: number
  readonly freeBytes?: number
}

/** Runs a suite over two small caches, by a clock that only the backends move. */
async function run(suite: Suite, options: RunOptions = {}): Promise<SuiteRun> {
  const { clock = new HandClock(), signal = new AbortController().signal } = options
  const { budgetSeconds = 1000, freeBytes = 2 ** 34 } = options
  class TestDevice extends HostDevice {
    override freeBytes = () => freeBytes
  }
  using device = new TestDevice(clock, 2 ** 16)
  const caches = suite.name === 'layout' ? ['split', 'interleaved'] : ['split', 'paged-16']
  const made = await runSuite(suite, {
    settings: {
      ...{ quick: true, budgetSeconds, seed: 1 },
      shapes: [namedShape('2/4/2/16')],
      caches: caches.map(namedCache),
    },
    options: small[suite.name]!,
    ...{ device, clock, signal, command: 'test' },
  })
  if (made.failure !== undefined) throw made.failure
  expect(resultReasons(made.result)).toEqual([])
  return made
}

/** Backends that take so many milliseconds for each run, by a clock. */
const costing = (clock: HandClock, costs: Readonly<Record<string, number>>): OpenBackends =>
  wrappedBackends(
    Object.fromEntries(
      Object.entries(costs).map(([name, ms]) => [name, { afterRun: () => clock.advance(ms) }]),
    ),
  )

/** Goes on a little whenever it is read. */
class TickingClock extends HandClock {
  override now(): number {
    this.advance(0.001)
    return super.now()
  }
}

const backendOf = ({ parameters }: { parameters: Readonly<Record<string, unknown>> }) =>
  parameters.backend

describe.each(suites)('%s', (name, make) => {
  it('refuses a backend with a wrong scale, and does not time it', async () => {
    let runs = 0
    const backends = wrappedBackends({
      cpu: {},
      scaled: {
        afterRun({ output }) {
          runs++
          scale(output, 1.1)
        },
      },
    })
    const { result, wrong } = await run(make(backends))
    const measured = placedCases(result)
    expect(measured.filter((one) => backendOf(one) === 'cpu').length).toBeGreaterThan(0)
    expect(measured.filter((one) => backendOf(one) === 'scaled')).toEqual([])
    // Once over each cache of each cell: to be compared.
    const cells = name === 'prefill' ? 4 : name === 'decode' ? 2 : 3
    expect(runs).toBe(2 * cells)
    expect(wrong).toHaveLength(2 * cells)
    for (const one of wrong) expect(one.case).toContain('scaled')
    expect(result.skipped).toEqual(wrong)
  })

  it('tells a backend that has become twice as slow from one that has not', async () => {
    const at = async (cost: number) => {
      const clock = new HandClock()
      return (await run(make(costing(clock, { cpu: cost, other: 7 })), { clock })).result
    }
    const [before, after, again] = [await at(5), await at(10), await at(5)]
    const of = (result: Result, source: string) => ({ result, source })
    const slowed = compareResults(of(before, 'before'), of(after, 'after'))
    expect(slowed.exitStatus).toBe(3)
    const rate = name === 'decode' ? 'gbPerSecond' : 'gflops'
    const judged = slowed.metrics.filter(({ metric }) => metric === 'ms' || metric === rate)
    const verdicts = (part: string) =>
      new Set(judged.filter(({ caseName }) => caseName.includes(part)).map((one) => one.verdict))
    expect(verdicts('cpu ')).toEqual(new Set(['slower']))
    expect(verdicts('other ')).toEqual(new Set(['same']))
    const same = compareResults(of(before, 'before'), of(again, 'again'))
    expect(same.regressions).toEqual([])
    expect(same.metrics.filter(({ verdict }) => verdict === 'faster')).toEqual([])
  })

  it('keeps the rounds that were whole when it is interrupted', async () => {
    const controller = new AbortController()
    const clock = new HandClock()
    let rounds = 0
    // A round of the first cell is two runs of each subject's sample; the third is cut short.
    const backends = wrappedBackends({
      cpu: {
        afterRun() {
          clock.advance(100)
          if (++rounds === 2 * 3 + 2 * 3 + 1) controller.abort()
        },
      },
    })
    const { result, interrupted } = await run(make(backends), { clock, signal: controller.signal })
    expect(interrupted).toBe(true)
    const measured = placedCases(result).filter((one) => backendOf(one) === 'cpu')
    expect(measured).toHaveLength(2)
    for (const { metrics, samples } of measured) {
      // One round to warm up, two that count.
      expect(samples!.ms).toEqual([100, 100])
      expect(metrics.ms).toMatchObject({ n: 2, median: 100 })
    }
    expect(result.skipped.length).toBeGreaterThan(0)
    for (const { reason } of result.skipped) expect(reason).toContain('interrupted')
  })

  it('skips what takes longer than its time, with the reason', async () => {
    const clock = new HandClock()
    const { result } = await run(make(costing(clock, { cpu: 60_000 })), { clock, budgetSeconds: 1 })
    // Nothing is known before the first cell of a kind; the others are not begun.
    expect(result.skipped.some(({ reason }) => / s, and it has /.test(reason))).toBe(true)
  })

  it('skips caches that do not fit into memory, with the reason', async () => {
    const { result } = await run(make(wrappedBackends({ cpu: {} })), { freeBytes: 2 ** 30 + 1 })
    expect(placedCases(result).filter((one) => backendOf(one))).toEqual([])
    for (const { reason } of result.skipped) expect(reason).toMatch(/GiB do not fit into/)
    expect(result.skipped.length).toBeGreaterThan(0)
  })

  it('is drawn by the report', async () => {
    // Reading memory takes time too.
    const clock = new TickingClock()
    const { result } = await run(make(costing(clock, { cpu: 5 })), { clock })
    const reported = { result, source: `${name}.json`, cases: placedCases(result) }
    const figures = questions.flatMap((question) => question.figures([reported]))
    expect(figures.length).toBeGreaterThan(0)
    for (const { spec } of figures) expect(JSON.stringify(spec)).toContain('cpu')
    const drawn = figures.map(({ spec }) => JSON.stringify(spec)).join()
    expect(drawn.includes('sequential read, measured')).toBe(name === 'decode')
  })
})

describe('prefill', () => {
  it('counts the pairs that are seen, of chunks and mixed batches too', async () => {
    const clock = new HandClock()
    const { result } = await run(makePrefill(costing(clock, { cpu: 10 })), { clock })
    const found = placedCases(result).filter(({ parameters }) => parameters.cache === 'split')
    const gflops = new Map(
      found.flatMap(({ parameters: { phase, tokens }, metrics }) =>
        'gflops' in metrics
          ? [[`${String(phase)} ${String(tokens)}`, (metrics.gflops as { median: number }).median]]
          : [],
      ),
    )
    // 4 FLOP x query heads x head dim for each pair, in 10 ms.
    const of = (pairs: number) => expect.closeTo((4 * pairs * 4 * 16) / 0.01 / 1e9, 8) as number
    const chunk = 17 + 18 + 19 + 20 + 21 + 22 + 23 + 24
    expect(Object.fromEntries(gflops)).toEqual({
      'rounds 24': of((24 * 25) / 2),
      'rounds 40': of((40 * 41) / 2),
      'chunk 24': of(chunk),
      'mixed 24': of(chunk + 24 + 24),
    })
  })
})

describe('decode', () => {
  it('has bytes of K and V a second, beside the memory read in the same rounds', async () => {
    const clock = new HandClock()
    const { result } = await run(makeDecode(costing(clock, { cpu: 2 })), { clock })
    const found = placedCases(result)
    const split = found.find(
      ({ parameters }) => parameters.cache === 'split' && parameters.sequences === 2,
    )!
    // K and V, 2 heads of 16 numbers of 2 bytes, 2 sequences of 24 tokens.
    const bytes = 2 * 2 * 16 * 2 * 48
    expect(split.metrics.kvBytes).toBe(bytes)
    expect((split.metrics.gbPerSecond as { median: number }).median).toBeCloseTo(
      bytes / 0.002 / 1e9,
      8,
    )
    const read = found.filter(({ parameters }) => parameters.memory === 'sequential read')
    expect(read).toHaveLength(batches.length)
    expect(read[0]!.samples!.ms).toHaveLength(split.samples!.ms!.length)
  })
})
