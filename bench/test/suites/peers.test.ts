import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, describe, expect, it, vi } from 'vitest'

import { Unavailable } from '../../src/harness/index.ts'
import { namedShape } from '../../src/suite/index.ts'
import { LineProcess } from '../../src/suites/peers/line-process.ts'
import { findPeer, peerPackages, peerScript } from '../../src/suites/peers/peer-files.ts'
import { startProgram, type PeerProgram } from '../../src/suites/peers/peer-program.ts'
import { makePeers } from '../../src/suites/peers/peers-suite.ts'
import { fileOf } from '../traces/support/files.ts'
import { countingModel, nextToken } from './support/counting-model.ts'
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
  /** Continues as the counting model does; `wrongAt`: but for one token. */
  function otherEngine(clock: VirtualClock, wrongAt = -1): PeerProgram {
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
        const tokens = [...(request['prompt'] as number[])]
        const { length } = tokens
        for (let i = 0; i < count; i++) {
          tokens.push(nextToken(tokens.at(-1)!, tokens.length - 1) + (i === wrongAt ? 1 : 0))
        }
        return { tokens: tokens.slice(length) }
      },
      end: () => Promise.resolve(),
      kill: () => undefined,
    }
  }

  function serve(wrongAt?: number) {
    const clock = new VirtualClock()
    const suite = makePeers({
      openPeer: (name) =>
        name === 'llama'
          ? Promise.resolve(otherEngine(clock, wrongAt))
          : Promise.reject(missing(name)),
      modelPath: () => 'model.gguf',
      openModel: () => Promise.resolve(countingModel({ clock })),
    })
    return runSuite(suite, {}, {}, { clock })
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
  })

  it('is refused when it continues otherwise', async () => {
    const { recorder } = await serve(5)
    expect(recorder.wrong).toMatchObject([
      { case: 'node-llama-cpp', reason: expect.stringMatching(/token 5: \d+ instead of \d+/) },
    ])
    expect(recorder.cases).toEqual([])
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
