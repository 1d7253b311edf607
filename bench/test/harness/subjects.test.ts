import { openSync, closeSync, mkdirSync, mkdtempSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import {
  attentionRow,
  FilledCache,
  HostDevice,
  Noise,
  openBackends,
  openDevice,
  QueryRows,
  randomOf,
  Subject,
  Unavailable,
  WrongResult,
  type OpenedBackends,
} from '../../src/harness/index.ts'
import { lastLevelCacheBytes } from '../../src/harness/host-device.ts'
import { namedCache, namedShape } from '../../src/suite/index.ts'
import { HandClock } from '../suites/support/hand-clock.ts'
import { scale, wrappedBackends } from '../suites/support/wrapped-backend.ts'

const shape = namedShape('4/4/2/16')
const { queryHeads, kvHeads, headDim, dtype } = shape

describe('a device', () => {
  it('that is not there is a reason', () => {
    expect(() => openDevice(4096)).toThrow(Unavailable)
  })

  it('of the host has points of the clock that it was given', () => {
    const clock = new HandClock()
    using device = new HostDevice(clock, 2 ** 16)
    const start = device.point()
    device.flush()
    clock.advance(7)
    expect(device.point().millisecondsSince(start)).toBe(7)
  })

  it('has the last-level cache that the system tells', () => {
    const folder = mkdtempSync(join(tmpdir(), 'vattention-bench-'))
    for (const [i, size] of ['48K', '2048K', '105M'].entries()) {
      mkdirSync(join(folder, `index${i}`))
      const file = openSync(join(folder, `index${i}`, 'size'), 'w')
      writeSync(file, `${size}\n`)
      closeSync(file)
    }
    expect(lastLevelCacheBytes(folder)).toBe(105 * 2 ** 20)
    expect(lastLevelCacheBytes(join(folder, 'none'))).toBe(64 * 2 ** 20)
  })
})

describe('backends', () => {
  it('that are asked for and compute elsewhere are missing, with the reason', async () => {
    using device = new HostDevice(new HandClock(), 2 ** 16)
    using opened = await openBackends(device, ['cpu', 'flashinfer'], { threads: 1 })
    expect([...opened.found.keys()]).toEqual(['cpu'])
    expect(opened.missing).toEqual([
      { name: 'flashinfer', reason: 'computes on NVIDIA GPUs, and this is CPU' },
    ])
    await expect(openBackends(device, ['flash'])).rejects.toThrow('There is no backend "flash"')
  })
})

describe('a subject', () => {
  const device = new HostDevice(new HandClock(), 2 ** 16)
  const random = randomOf(1)
  const noise = new Noise(device, { rows: 64, heads: kvHeads, headDim, dtype, random })
  const queries = new Noise(device, { rows: 16, heads: queryHeads, headDim, dtype, random })
  const rows = new QueryRows(device, shape, 64, queries)
  let backends: OpenedBackends
  beforeAll(async () => {
    const scaled = {
      afterRun: ({ output }: { output: Parameters<typeof scale>[0] }) => scale(output, 0.9),
    }
    backends = await wrappedBackends({ cpu: {}, scaled })(device)
  })
  afterAll(() => backends[Symbol.dispose]())

  // 50 tokens are no whole number of the chunks that are written at once.
  it.each(['split', 'interleaved', 'layer-group-3', 'paged-16', 'paged-1', 'blocks-8'])(
    'computes attention over a filled cache, %s, and a wrong one is told',
    async (name) => {
      const options = { shape, cache: namedCache(name), sequences: 3, length: 50 }
      const filled = new FilledCache(device, options, backends.found.values(), noise, random)
      const pass = { queryLengths: [1, 20, 1], kvLengths: [50, 33, 17] }
      const make = (backend: string) =>
        new Subject({ device, filled, rows, maxTokens: 64, backend: backends.found.get(backend)! })
      using right = make('cpu')
      using wrong = make('scaled')
      right.prepare(pass)
      wrong.prepare(pass)
      for (const layer of [0, 3]) {
        expect(await right.check({ layer })).toBeLessThan(0.01)
        await expect(wrong.check({ layer })).rejects.toThrow(WrongResult)
      }
      // The output holds the last layer's.
      right.run(1)
      expect(() => right.compare({ layer: 2, thorough: true })).toThrow(WrongResult)
      expect(filled.scatter === undefined).toBe(options.cache.kind === 'contiguous')
      if (filled.scatter !== undefined) expect(filled.scatter).toBeGreaterThan(0.5)
      await filled.dispose()
    },
  )
})

describe('the oracle', () => {
  it('weighs values by the softmax of the scaled products', () => {
    const keys = [Float32Array.of(1, 0, 0, 0), Float32Array.of(0, 2, 0, 0)]
    const values = [Float32Array.of(1, 1, 1, 1), Float32Array.of(3, 3, 3, 3)]
    const row = attentionRow(
      Float32Array.of(2, 3, 0, 0),
      2,
      (token) => keys[token]!,
      (token) => values[token]!,
    )
    const [a, b] = [Math.exp(1), Math.exp(3)]
    for (const value of row) expect(value).toBeCloseTo((a + 3 * b) / (a + b), 12)
  })
})
