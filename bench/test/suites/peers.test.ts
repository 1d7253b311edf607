import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, describe, expect, it, vi } from 'vitest'

import { Unavailable } from '../../src/harness/index.ts'
import { namedShape } from '../../src/suite/index.ts'
import { LineProcess } from '../../src/suites/peers/line-process.ts'
import { findPeer, peerPackages, peerScript } from '../../src/suites/peers/peer-files.ts'
import { startProgram, type PeerProgram } from '../../src/suites/peers/peer-program.ts'
import { scarceBytes } from '../../src/suites/peers/greedy-ways.ts'
import { makePeers } from '../../src/suites/peers/peers-suite.ts'
import type { ModelText } from '../../src/suites/serve/model-text.ts'
import { fileOf } from '../traces/support/files.ts'
import { countingModel, nextToken, type CountingModelOptions } from './support/counting-model.ts'
import { computingPeer } from './support/computing-peer.ts'
import { casesOf, runSuite } from './support/run-suite.ts'
import { VirtualClock } from './support/virtual-clock.ts'

const missing = (name: string) => new Unavailable(`${name} is not installed: run npm install`)

function run(programs: Readonly<Record<string, PeerProgram>>) {
  const suite = makePeers({
    openPeer: (name) => {
      const program = programs[name]
      return program ? Promise.resolve(program) : Promise.reject(missing(name))
    },
  })
  const options = { lengths: [24], batches: [{ sequences: 3, tokens: 20 }], threads: 1 }
  return runSuite(suite, options, { shapes: [namedShape('2/4/2/64')] })
}

describe('peers', () => {
  it('are compared with the oracle, on the data of ours, and timed in turns', async () => {
    const torch = computingPeer()
    const done = await run({ torch })
    expect(done.reasons).toEqual([])
    const { cases, skipped, wrong } = done.recorder
    expect(wrong).toEqual([])
    expect(skipped).toEqual([
      { case: 'node-llama-cpp', reason: 'llama is not installed: run npm install' },
      { case: 'onnxruntime', reason: 'onnxruntime is not installed: run npm install' },
    ])
    expect(cases.map(({ name }) => name)).toEqual([
      'cpu split, prefill 24, rounds',
      'torch exact, prefill 24, rounds',
      'prefill 24: cpu split / torch exact',
      'cpu split, decode 3 x 20, rounds',
      'torch exact, decode 3 x 20, rounds',
      'decode 3 x 20: cpu split / torch exact',
    ])
    const [prefill, decode] = casesOf(done, { backend: 'torch' })
    // 4 x pairs x heads x dim in 2 ms, and K and V of two heads in 32-bit floats.
    const flop = 4 * ((24 * 25) / 2) * 4 * 64
    expect(prefill).toMatchObject({
      parameters: { cache: 'exact', layout: '[token, head, dim]', task: 'prefill', tokens: 24 },
      metrics: { gflops: { median: expect.closeTo(flop / 2e-3 / 1e9, 3) } },
    })
    expect(prefill!.maxError).toBeLessThan(1e-5)
    const bytes = 3 * 20 * 2 * 2 * 64 * 4
    expect(decode!.metrics['gbPerSecond']).toMatchObject({
      median: expect.closeTo(bytes / 2e-3 / 1e9, 5),
    })
    expect(torch.asked.slice(0, 4)).toEqual(['load', 'prepare', 'check', 'sample'])
    expect(torch.asked.at(-1)).toBe('end')
  })

  it('that compute something else are refused, and not timed', async () => {
    const torch = computingPeer(1.1)
    const done = await run({ torch, onnxruntime: computingPeer() })
    expect(done.recorder.wrong.map((one) => one.case)).toEqual([
      'prefill 24: torch exact',
      'decode 3 x 20: torch exact',
    ])
    expect(done.recorder.wrong[0]!.reason).toMatch(
      /^wrong: sequence 0, row 0, head 0: \S+ instead of/,
    )
    expect(torch.asked).not.toContain('sample')
    expect(casesOf(done, { backend: 'torch' })).toEqual([])
    expect(casesOf(done, { backend: 'onnxruntime' })).toHaveLength(2)
  })

  it('that fail are skipped with their reason', async () => {
    const failing: PeerProgram = {
      ...computingPeer(),
      ask: ({ op }) =>
        op === 'prepare' ? Promise.reject(new Error('no kernel for this')) : Promise.resolve({}),
    }
    const { recorder } = await run({ torch: failing })
    expect(recorder.skipped).toContainEqual({
      case: 'prefill 24: torch exact',
      reason: 'no kernel for this',
    })
  })
})

describe('an interruption', () => {
  it('does not wait for a kernel that is being made', async () => {
    const controller = new AbortController()
    let kill = () => undefined as void
    const compiling: PeerProgram = {
      ...computingPeer(),
      ask: ({ op }) =>
        op === 'prepare'
          ? new Promise((_, reject) => {
              kill = () => reject(new Error('it ended'))
              controller.abort(new Error('interrupted'))
            })
          : Promise.resolve({}),
      kill: () => kill(),
    }
    const suite = makePeers({
      openPeer: (name) =>
        name === 'torch' ? Promise.resolve(compiling) : Promise.reject(missing(name)),
    })
    const { recorder } = await runSuite(
      suite,
      { lengths: [24], batches: [{ sequences: 3, tokens: 20 }], threads: 1 },
      { shapes: [namedShape('2/4/2/64')] },
      { signal: controller.signal },
    )
    expect(recorder.cases).toEqual([])
    expect(recorder.skipped.map(({ reason }) => reason)).not.toContain('it ended')
  })
})

describe('the other engine', () => {
  interface Other {
    /** A token that it continues with another one. */
    readonly wrongAt?: number
    /** Where its answers end. */
    readonly endsAt?: number
    readonly otherInput?: boolean
  }

  const codes = (text: string) => Array.from(text, (character) => character.codePointAt(0)!)

  /** Continues as the counting model does. */
  function otherEngine(
    clock: VirtualClock,
    { wrongAt, endsAt = Infinity, otherInput = false }: Other,
  ): PeerProgram {
    return {
      kernels: [],
      versions: { other: '2.0' },
      async ask(request) {
        const { op, count } = request as { op: string; count: number }
        if (op === 'load') return {}
        if (op === 'serve') {
          await clock.sleep(400)
          return { seconds: 0.4 }
        }
        if (op === 'tokenize') {
          const tokens = codes(request['text'] as string)
          return { tokens: otherInput ? [1, ...tokens] : tokens }
        }
        const tokens = [...(request['prompt'] as number[])]
        const { length } = tokens
        for (let i = 0; i < Math.min(count, endsAt); i++) {
          tokens.push(nextToken(tokens.at(-1)!, tokens.length - 1) + (i === wrongAt ? 1 : 0))
        }
        const answer = tokens.slice(length)
        return { tokens: answer, margins: answer.map(() => 0.25) }
      },
      end: () => Promise.resolve(),
      kill: () => undefined,
    }
  }

  const text: ModelText = {
    asked: (question) => ({ prompt: question }),
    prompt: (question) => ({ text: question, tokens: Uint32Array.from(codes(question)) }),
    show: (token) => `<${token}>`,
  }

  function serve(
    other: Other = {},
    model: Partial<CountingModelOptions> = {},
    { quick = true, ...given }: { readonly quick?: boolean; readonly model?: string } = {},
  ) {
    const clock = new VirtualClock()
    const suite = makePeers({
      openPeer: (name) =>
        name === 'llama'
          ? Promise.resolve(otherEngine(clock, other))
          : Promise.reject(missing(name)),
      modelPath: () => 'model.gguf',
      openModel: () =>
        Promise.resolve({
          ...countingModel({ clock, ...model }),
          text,
          // A page of the others holds more than an answer.
          sequenceBytes: (cache, tokens) =>
            cache.kind === 'paged' ? 256 * 16 * Math.ceil(tokens / 16) : 2 ** 18,
        }),
    })
    return runSuite(suite, { ...given, threads: 3 }, { quick }, { clock })
  }

  it('serves the same in turns', async () => {
    const done = await serve()
    expect(done.reasons).toEqual([])
    expect(done.recorder.wrong).toEqual([])
    const [theirs] = casesOf(done, { engine: 'node-llama-cpp', task: '4 x (32, 8)' })
    expect(theirs!.metrics['tokensPerSecond']).toMatchObject({ n: 3, median: (4 * 8) / 0.4 })
    // A pass takes 10 ms, and 1 ms a token: one of 4 x 32, or several, and seven of 4.
    const [ours] = casesOf(done, { engine: 'vattention', task: '4 x (32, 8)' })
    const { median } = ours!.metrics['tokensPerSecond'] as { median: number }
    const passes = (32 / (median / 1000) - 4 * 32 - 7 * 4) / 10
    expect(passes).toBeCloseTo(Math.round(passes), 2)
    expect(passes).toBeGreaterThan(7.99)
    expect(casesOf(done, { of: 'vattention', over: 'node-llama-cpp' })).toHaveLength(2)
    expect(done.recorder.bars).toEqual([])
  })

  it('answers the same, and so do we however we are asked', async () => {
    const done = await serve()
    const question = 'Write a short poem about the sea.'
    expect(casesOf(done, { part: 'greedy', question })).toMatchObject([
      {
        name: `${question}: the same 24 tokens`,
        metrics: { sameTokens: 24, comparedTokens: 24 },
      },
    ])
    expect(casesOf(done, { part: 'greedy', over: 'node-llama-cpp' })).toMatchObject([
      { metrics: { questionsCount: 2, sameInputsCount: 2, sameAnswersCount: 2 } },
    ])
    const ways = done.recorder.cases.filter(({ parameters }) => 'way' in parameters)
    expect(ways.map(({ parameters }) => parameters['way'])).toEqual([
      'split, all at once',
      'paged-16, one after the other',
      'paged-16, all at once',
      'paged-16, after preemption',
    ])
    for (const { metrics } of ways) {
      expect(metrics).toMatchObject({ answersCount: 2, sameAnswersCount: 2 })
    }
    expect(ways.at(-1)!.metrics['preemptionsCount']).toBeGreaterThan(0)
    expect(done.recorder.skipped).toContainEqual({
      case: 'greedy answers: interleaved, after preemption',
      reason: 'the answers take no memory beyond that of the prompts',
    })
  })

  it('may part from ours where the choice was close, and it is told where', async () => {
    const done = await serve({ wrongAt: 5 }, { margin: 0.5 })
    expect(done.recorder.wrong).toEqual([])
    const [first] = casesOf(done, { part: 'greedy', question: 'Write a short poem about the sea.' })
    expect(first!.name).toMatch(/: parts at token 5 of 24, "<\d+>" here and "<\d+>" there$/)
    expect(first!.metrics).toEqual({
      ...{ sameTokens: 5, comparedTokens: 24 },
      ...{ marginLogits: 0.5, peerMarginLogits: 0.25 },
    })
    expect(casesOf(done, { engine: 'node-llama-cpp' })).toHaveLength(2)
  })

  it('may end an answer elsewhere only where the choice was close', async () => {
    const { recorder } = await serve({ endsAt: 3 })
    expect(recorder.wrong).toMatchObject([{ reason: expect.stringMatching(/token 3: undefined/) }])
  })

  it('is refused when it continues otherwise, and not timed', async () => {
    const done = await serve({ wrongAt: 5 }, { margin: 0.51 })
    expect(done.recorder.wrong).toMatchObject([
      { case: 'node-llama-cpp', reason: expect.stringMatching(/token 5: \d+ instead of \d+/) },
    ])
    expect(done.recorder.cases.some(({ parameters }) => 'engine' in parameters)).toBe(false)
  })

  it('is not what our own answers are compared with: a cache that answers otherwise is refused', async () => {
    const done = await serve({}, { wrongOver: ['paged-16'] })
    expect(done.recorder.wrong.map((one) => one.case)).toEqual([
      'greedy answers: paged-16, one after the other',
      'greedy answers: paged-16, all at once',
      'greedy answers: paged-16, after preemption',
    ])
    expect(casesOf(done, { way: 'paged-16, all at once' })).toMatchObject([
      { metrics: { sameAnswersCount: 0 } },
    ])
    expect(casesOf(done, { way: 'split, all at once' })).toMatchObject([
      { metrics: { sameAnswersCount: 2 } },
    ])
  })

  it("has bars in a full run of the demo's model", async () => {
    const done = await serve({ otherInput: true, wrongAt: 100 }, { margin: 0.3 }, { quick: false })
    const bars = new Map(done.recorder.bars.map((one) => [one.name, one]))
    expect([...bars].map(([name, { bar }]) => [name, bar])).toEqual([
      ['largest margin at which greedy answers part', 0.5],
      ['prompts of the same tokens', 8],
      ['greedy answers: split, all at once', 8],
      ['greedy answers: paged-16, one after the other', 8],
      ['greedy answers: paged-16, all at once', 8],
      ['greedy answers: interleaved, after preemption', 8],
      ['greedy answers: paged-16, after preemption', 8],
      ['8 x (128, 128): vattention / node-llama-cpp', 3.5],
      ['1 x (128, 128): vattention / node-llama-cpp', 1.1],
      ['prefill 1024: vattention / node-llama-cpp', 3],
    ])
    expect(bars.get('largest margin at which greedy answers part')).toMatchObject({ met: true })
    expect(bars.get('prompts of the same tokens')).toMatchObject({ value: 0, met: false })
    expect(bars.get('greedy answers: paged-16, after preemption')).toMatchObject({ value: 8 })
    expect(bars.get('greedy answers: interleaved, after preemption')).toMatchObject({ met: null })
    const [ratio] = casesOf(done, { of: 'vattention', task: '1 x (128, 128)' })
    const { median } = ratio!.metrics['speedRatio'] as { median: number }
    expect(bars.get('1 x (128, 128): vattention / node-llama-cpp')).toMatchObject({
      ...{ value: median, met: median >= 1.1, note: '3 threads' },
    })
    const other = await serve({}, {}, { quick: false, model: 'another.gguf' })
    expect(other.recorder.bars).toEqual([])
  })

  it('needs the model', async () => {
    const suite = makePeers({
      openPeer: (name) =>
        name === 'llama' ? Promise.resolve(computingPeer()) : Promise.reject(missing(name)),
      modelPath: () => {
        throw new Unavailable('there is no model: fetch it')
      },
    })
    const { recorder } = await runSuite(suite)
    expect(recorder.skipped).toContainEqual({
      case: 'node-llama-cpp',
      reason: 'there is no model: fetch it',
    })
  })
})

describe('memory in which requests are set back', () => {
  it('is that of all prompts and of half of what comes at most', () => {
    // The second ends before the first is long: 10 + 20 at first, at last 59 and nothing.
    expect(scarceBytes([10, 20], [50, 6], (tokens) => tokens)).toBe(Math.ceil((30 + 59) / 2))
    // What is drawn last is not kept: 15 + 25 are the most.
    expect(scarceBytes([10, 20], [8, 6], (tokens) => tokens)).toBe((30 + 40) / 2)
  })

  it('is not there where answers take no memory of their own', () => {
    expect(scarceBytes([10, 20], [50, 6], () => 100)).toBeUndefined()
  })
})

describe('packages of peers', () => {
  let folder: string | undefined
  afterEach(() => {
    vi.unstubAllEnvs()
    if (folder !== undefined) rmSync(folder, { recursive: true })
    folder = undefined
  })

  it('that are not installed are named with the command that installs them', () => {
    folder = mkdtempSync(join(tmpdir(), 'vattention-peers-'))
    vi.stubEnv('VATTENTION_CACHE_DIR', folder)
    const peer = { ...peerPackages.onnxruntime, name: 'onnxruntime-node-that-nobody-has' }
    expect(() => findPeer(peer, false)).toThrow(Unavailable)
    expect(() => findPeer(peer, false)).toThrow(
      /is not installed: add --install, or run npm install --ignore-scripts .* onnxruntime-node-that-nobody-has@1\.30\.0 --prefix /,
    )
  })

  it('have their programs beside the code', () => {
    for (const name of ['torch_attention.py', 'onnxruntime_attention.mjs', 'llama_engine.mjs']) {
      expect(peerScript(name)).toMatch(new RegExp(`peers/${name.replace('.', '\\.')}$`))
    }
    expect(() => peerScript('nothing')).toThrow('lacks its file peers/nothing')
  })
})

describe('a program of a peer', () => {
  const program = (code: string) => [fileOf(code, 'program.mjs')]
  const echo = `
    import { createInterface } from 'node:readline'
    console.log('a library says hello')
    console.log(JSON.stringify({ kernels: ['a'], versions: { it: '1' } }))
    for await (const line of createInterface({ input: process.stdin })) {
      const { error } = JSON.parse(line)
      console.log(JSON.stringify(error ? { error } : { got: JSON.parse(line) }))
    }`

  it('says what it has, answers one by one, and errors are errors', async () => {
    const started = await startProgram(process.execPath, program(echo))
    expect(started).toMatchObject({ kernels: ['a'], versions: { it: '1' } })
    expect(await started.ask({ op: 'x' })).toEqual({ got: { op: 'x' } })
    await expect(started.ask({ error: 'no room' })).rejects.toThrow('no room')
    await started.end()
  })

  it('is unavailable for its own reason, or when it does not start', async () => {
    const reason = `console.log(JSON.stringify({ unavailable: 'no PyTorch' }))`
    await expect(startProgram(process.execPath, program(reason))).rejects.toThrow(Unavailable)
    await expect(startProgram(process.execPath, program(reason))).rejects.toThrow('no PyTorch')
    await expect(startProgram('/nowhere/python', [])).rejects.toThrow(Unavailable)
  })

  it('that has ended tells so', async () => {
    const lines = new LineProcess(process.execPath, program('process.exit(3)'))
    await expect(lines.next()).rejects.toThrow('it ended (3)')
  })
})
