import { describe, expect, it } from 'vitest'

import { Unavailable, type BenchDevice } from '../../src/harness/index.ts'
import { placedCases, resultReasons } from '../../src/result/index.ts'
import { runSuite } from '../../src/suite/run-suite.ts'
import { makeLaunch } from '../../src/suites/launch.ts'
import {
  runLaunchProgram,
  type LaunchOutput,
  type LaunchTimes,
  type RunLaunchProgram,
} from '../../src/suites/native/launch-program.ts'
import { findProgram } from '../../src/suites/native/program.ts'
import { HandClock } from './support/hand-clock.ts'
import { runSuite as runOnCpu } from './support/run-suite.ts'

const program = '/native/benches/launch_cuda'

/** A GPU that nothing is asked of. */
const gpu = (name: string): BenchDevice => ({
  device: { type: 'cuda', index: 0 },
  name,
  isGpu: true,
  lastLevelBytes: 0,
  tensor: () => {
    throw new Error('no memory was asked for')
  },
  flush: () => undefined,
  point: () => ({ millisecondsSince: () => 0, [Symbol.dispose]: () => undefined }),
  synchronize: () => Promise.resolve(),
  freeBytes: () => 0,
  [Symbol.dispose]: () => undefined,
})

const times = (
  backend: string,
  task: string,
  milliseconds: LaunchTimes['milliseconds'],
): LaunchTimes => ({
  ...{ case: task, backend, kernel: `${backend} kernel`, layers: 4, launches: 4 },
  ...{ maxDifference: 0.001, sameBits: false, milliseconds },
})

/** What is measured of each task: a sample is of four launches. */
const measured: Readonly<Record<string, LaunchOutput>> = {
  'prefill 16K': {
    gpu: [
      times('flash-attention-3', 'prefill 16K', {
        raw: [40, 44],
        cudaMalloc: [20, 22],
        pages: [25, 27.5],
      }),
    ],
    skipped: [{ case: 'flashinfer prefill 16K', reason: 'cudaMalloc: out of memory' }],
  },
  'decode 16x16K': {
    gpu: [
      times('flash-attention-3', 'decode 16x16K', {
        raw: [8, 8],
        cudaMalloc: [8, 8],
        pages: [8.2, 8.2],
      }),
      times('paged-attention', 'decode 16x16K', { raw: [8, 8], blocks: [10, 10] }),
    ],
    skipped: [],
  },
  'decode 64x4K': { gpu: [], skipped: [] },
}

const only = (args: readonly string[]) => args[args.indexOf('--only') + 1]!

async function run(
  program_: RunLaunchProgram,
  more: {
    readonly device?: BenchDevice
    readonly quick?: boolean
    readonly backends?: readonly string[]
    readonly signal?: AbortSignal
  } = {},
) {
  const { device = gpu('NVIDIA H200'), quick = false, backends } = more
  const made = await runSuite(
    makeLaunch(() => program, program_),
    {
      settings: { quick, budgetSeconds: 110, seed: 7, ...(backends && { backends }) },
      options: {},
      ...{ device, clock: new HandClock(), command: 'test' },
      signal: more.signal ?? new AbortController().signal,
    },
  )
  if (made.failure !== undefined) throw made.failure
  expect(resultReasons(made.result)).toEqual([])
  return made.result
}

describe('the suite launch', () => {
  it('says that it needs a GPU, or how its program is built', async () => {
    await expect(runOnCpu(makeLaunch(() => program))).rejects.toThrow(Unavailable)
    const suite = makeLaunch(() => undefined)
    const settings = { quick: true, budgetSeconds: 1, seed: 1 }
    const about = { options: {}, device: gpu('NVIDIA H200'), clock: new HandClock(), command: 't' }
    const { signal } = new AbortController()
    await expect(runSuite(suite, { settings, ...about, signal })).rejects.toThrow(
      new Unavailable('launch_cuda is not built: npm run build:cuda -- benches'),
    )
  })

  it('has times of a launch, and the speed of ours over upstream’s and of pages', async () => {
    const result = await run((_, args) => Promise.resolve(measured[only(args)]!))
    const found = placedCases(result)
    const task = 'prefill 16K'
    const about = { task, backend: 'flash-attention-3', kernel: 'flash-attention-3 kernel' }
    const own = found.filter(({ parameters }) => parameters.task === task)
    expect(own.map(({ parameters, metrics }) => ({ parameters, metrics }))).toMatchObject([
      {
        parameters: { ...about, subject: 'raw', layers: 4 },
        metrics: { ms: { median: 10.5 }, launchesCount: 4 },
      },
      { parameters: { ...about, subject: 'cudaMalloc' }, metrics: { ms: { median: 5.25 } } },
      { parameters: { ...about, subject: 'pages' } },
      {
        parameters: { ...about, of: 'cudaMalloc', over: 'raw' },
        metrics: { speedRatio: { n: 2, median: 2 }, differenceShare: 0.001 },
      },
      {
        parameters: { ...about, of: 'pages', over: 'cudaMalloc' },
        metrics: { speedRatio: { median: 0.8 } },
      },
    ])
    expect(own[0]!.samples).toEqual({ ms: [10, 11] })
    const blocks = found.filter(({ parameters }) => parameters.of === 'blocks')
    expect(blocks).toMatchObject([
      { parameters: { over: 'raw' }, metrics: { speedRatio: { median: 0.8 } } },
    ])
  })

  it('says why something is not there', async () => {
    const result = await run((_, args) => Promise.resolve(measured[only(args)]!))
    expect(result.skipped).toEqual([
      { case: 'flashinfer prefill 16K', reason: 'cudaMalloc: out of memory' },
      { case: 'decode 64x4K', reason: 'the program was built without it' },
    ])
    const none = await run(() => Promise.resolve({ unavailable: 'there is no GPU' }))
    expect(new Set(none.skipped.map(({ reason }) => reason))).toEqual(new Set(['there is no GPU']))
    const failed = await run((_, args) =>
      only(args) === 'prefill 16K'
        ? Promise.reject(new Error('it broke'))
        : Promise.resolve(measured[only(args)]!),
    )
    expect(failed.skipped[0]).toEqual({ case: 'prefill 16K', reason: 'it broke' })
    expect(placedCases(failed).length).toBeGreaterThan(0)
  })

  it('is held to its bars on the GPU that they are for, in full runs', async () => {
    const answer: RunLaunchProgram = (_, args) => Promise.resolve(measured[only(args)]!)
    const { bars } = await run(answer)
    expect(bars.map(({ name, bar, met }) => ({ name, bar, met }))).toEqual([
      { name: 'flash-attention-3, prefill 16K: cudaMalloc / raw', bar: 0.99, met: true },
      { name: 'flash-attention-3, prefill 16K: pages / cudaMalloc', bar: 0.99, met: false },
      { name: 'flash-attention-3, decode 16x16K: cudaMalloc / raw', bar: 0.99, met: true },
      { name: 'flash-attention-3, decode 16x16K: pages / cudaMalloc', bar: 0.97, met: true },
      { name: 'paged-attention, decode 16x16K: blocks / raw', bar: 0.99, met: false },
    ])
    expect((await run(answer, { device: gpu('NVIDIA A100') })).bars).toEqual([])
    expect((await run(answer, { quick: true })).bars).toEqual([])
  })

  it('asks for one task at a time, or for the backends that were named, within its time', async () => {
    const asked: (readonly string[])[] = []
    const answer: RunLaunchProgram = (file, args) => {
      expect(file).toBe(program)
      asked.push(args)
      return Promise.resolve({ gpu: [], skipped: [] })
    }
    await run(answer)
    // 110 s for eleven backends and tasks, half of it for filling.
    expect(asked).toEqual(
      ['prefill 16K', 'decode 16x16K', 'decode 64x4K'].map((task) => [
        ...['--what', 'gpu', '--only', task, '--rounds', '40'],
        ...['--budget', '5', '--seed', '7'],
      ]),
    )
    asked.length = 0
    await run(answer, { backends: ['flashinfer'] })
    expect(asked.map(only)).toEqual([
      'flashinfer prefill 16K',
      'flashinfer decode 16x16K',
      'flashinfer decode 64x4K',
    ])
  })

  it('keeps the tasks that were measured before it was interrupted', async () => {
    const controller = new AbortController()
    const result = await run(
      (_, args) => {
        if (only(args) === 'prefill 16K') return Promise.resolve(measured['prefill 16K']!)
        controller.abort()
        return Promise.reject(new Error('The operation was aborted'))
      },
      { signal: controller.signal },
    )
    expect(new Set(placedCases(result).map(({ parameters }) => parameters.task))).toEqual(
      new Set(['prefill 16K']),
    )
    expect(result.skipped.slice(1)).toEqual([
      { case: 'decode 16x16K', reason: 'interrupted' },
      { case: 'decode 64x4K', reason: 'interrupted before it began' },
    ])
  })
})

describe('the program of launches', () => {
  const node = (script: string, signal = new AbortController().signal) =>
    runLaunchProgram(process.execPath, ['-e', script], { signal })

  it('is looked for beside the build, and missing where it was not built', () => {
    expect(findProgram('overhead_cpu', ['nowhere', 'native/build/benches'])).toMatch(
      /native\/build\/benches\/overhead_cpu$/,
    )
    expect(findProgram('overhead_cpu', ['nowhere'])).toBeUndefined()
  })

  it('is read by its last line', async () => {
    expect(await node('console.log("a word before"); console.log(`{"gpu":[]}`)')).toEqual({
      gpu: [],
    })
  })

  it('fails with what it said', async () => {
    await expect(node('console.error(" no memory "); process.exit(1)')).rejects.toThrow(
      new Error('no memory'),
    )
  })

  it('ends when it is interrupted', async () => {
    const controller = new AbortController()
    const running = node('setInterval(() => undefined, 1000)', controller.signal)
    controller.abort()
    await expect(running).rejects.toThrow('aborted')
  })
})
