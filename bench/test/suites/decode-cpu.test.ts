import { afterEach, describe, expect, it } from 'vitest'

import { HostDevice, randomOf, type BenchDevice } from '../../src/harness/index.ts'
import type { MeasuredCase } from '../../src/result/index.ts'
import {
  namedShape,
  Recorder,
  type SuiteContext,
  type SuiteSettings,
} from '../../src/suite/index.ts'
import { rotationOf } from '../../src/suites/attention/rotation.ts'
import { makeDecode } from '../../src/suites/decode.ts'
import { cpuDecodeBars } from '../../src/suites/decode/cpu-bars.ts'
import { HandClock } from './support/hand-clock.ts'
import { wrappedBackends } from './support/wrapped-backend.ts'

const opened: BenchDevice[] = []
afterEach(() => opened.splice(0).forEach((device) => device[Symbol.dispose]()))

function contextOf(settings: Partial<SuiteSettings> = {}, options = {}): SuiteContext {
  const clock = new HandClock()
  const device = new HostDevice(clock, 2 ** 16)
  opened.push(device)
  return {
    settings: { quick: false, budgetSeconds: 1, seed: 1, ...settings },
    options,
    device,
    clock,
    random: randomOf(1),
    signal: new AbortController().signal,
    recorder: new Recorder(),
    glance: () => undefined,
  }
}

async function cellsOf(context: SuiteContext): Promise<string[]> {
  const open = await makeDecode(wrappedBackends({ cpu: {} })).open(context)
  await open.close()
  return open.cells.map(({ name }) => name)
}

describe('decode on the CPU', () => {
  it('has a gigabyte of K and V with the heads of two models, in a full run', async () => {
    const cells = await cellsOf(contextOf())
    expect(cells).toContain('llama-3-8b, 4 x 2K')
    expect(cells).toContain('smollm2-135m, 32 x 1456')
    expect(await cellsOf(contextOf({ quick: true }))).toEqual(['1 x 1K', '4 x 1K'])
  })

  it('has what was asked for, and nothing beside it', async () => {
    const asked = { batches: [{ sequences: 2, tokens: 24 }] }
    expect(await cellsOf(contextOf({}, asked))).toEqual(['2 x 24'])
    const shapes = [namedShape('yi-6b')]
    expect(await cellsOf(contextOf({ shapes }, asked))).toEqual(['2 x 24'])
  })

  it('reads a gigabyte in a sample, or all layers', () => {
    const { device } = contextOf()
    const shape = namedShape('llama-3-8b')
    const of = (tokens: number) => rotationOf(device, shape, tokens, shape.layers, 1e9)
    // 4096 bytes of K and V a token in each of 32 layers.
    expect(of(8192)).toMatchObject({ layers: 30, leastLaunches: 30 })
    expect(of(1024)).toMatchObject({ layers: 32, leastLaunches: 32, mostLaunches: 256 })
    // Without it, what is larger than the caches.
    expect(rotationOf(device, shape, 8192)).toMatchObject({ layers: 2, leastLaunches: 1 })
  })
})

describe('the bars of decode on the CPU', () => {
  const ratio = (
    over: string,
    [low, median, high]: readonly number[],
    more = {},
  ): MeasuredCase => ({
    name: `split / ${over}`,
    parameters: {
      ...{ of: 'cpu split', over, shape: 'smollm2-135m', sequences: 32, tokens: 1456 },
      ...more,
    },
    metrics: { speedRatio: { n: 20, median: median!, low: low!, high: high! } },
  })

  function barsOf(cases: readonly MeasuredCase[], { quick = false, threads = 2 } = {}) {
    const context = contextOf({ quick })
    for (const one of cases) context.recorder.add(one)
    cpuDecodeBars(context, threads)
    return context.recorder.bars
  }

  const cases = [
    ratio('sequential read', [0.79, 0.82, 0.84]),
    ratio('cpu paged 16', [0.96, 0.99, 1.01]),
    // Of other batches and layouts there are none.
    ratio('sequential read', [0.1, 0.1, 0.1], { sequences: 1 }),
    ratio('sequential read', [0.2, 0.2, 0.2], { of: 'cpu interleaved' }),
  ]

  it('are of the default layout beside reading and beside pages, which the whole interval has to pass', () => {
    expect(barsOf(cases)).toEqual([
      {
        name: 'smollm2-135m, 32 x 1456: split / sequential read',
        ...{ kind: 'atLeast', bar: 0.8, value: 0.82, low: 0.79, high: 0.84 },
        ...{ met: true, decided: false, note: 'bytes a second, 2 threads' },
      },
      {
        name: 'smollm2-135m, 32 x 1456: split / paged 16, at least',
        ...{ kind: 'atLeast', bar: 0.97, value: 0.96, met: false },
        note: 'lower end of the 95 % interval; the median is 0.990',
      },
    ])
  })

  it('are of full runs with two threads', () => {
    expect(barsOf(cases, { quick: true })).toEqual([])
    expect(barsOf(cases, { threads: 4 })).toEqual([])
  })
})
