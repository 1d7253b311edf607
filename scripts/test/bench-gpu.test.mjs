import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { hostTensor, read as readTensor, write } from '@vattention/core'
import { createCpuBackend } from '@vattention/cpu'
import { describe, expect, it } from 'vitest'

import { atLeast, atMost, barLine } from '../../bench/gpu/lib/bars.mjs'
import { openDevice, Unavailable } from '../../bench/gpu/lib/device.mjs'
import { columns, figures } from '../../bench/gpu/lib/figures.mjs'
import { FilledCache } from '../../bench/gpu/lib/filled-cache.mjs'
import { ForeignCache } from '../../bench/gpu/lib/foreign-cache.mjs'
import { attentionFlop, causalPairs, llama, tokenBytes } from '../../bench/gpu/lib/formulas.mjs'
import { LineProcess } from '../../bench/gpu/lib/line-process.mjs'
import { parseSmi } from '../../bench/gpu/lib/machine.mjs'
import { attentionRow, bfloat16, Noise } from '../../bench/gpu/lib/noise.mjs'
import { budgetOption, parseOptions, read, UsageError } from '../../bench/gpu/lib/options.mjs'
import { plain, Result, resultReasons } from '../../bench/gpu/lib/result.mjs'
import { interleave } from '../../bench/gpu/lib/rounds.mjs'
import {
  interval,
  latencies,
  median,
  mulberry32,
  normal,
  quantile,
  ratio,
  shuffled,
  summarize,
} from '../../bench/gpu/lib/statistics.mjs'
import { Rows, Subject } from '../../bench/gpu/lib/subject.mjs'
import { parseReadings, parseTime, summarizeReadings } from '../../bench/gpu/lib/telemetry.mjs'
import { launchesFor } from '../../bench/gpu/lib/timing.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'bench/gpu')
const benches = readdirSync(folder).filter((file) => file.endsWith('.mjs'))
const temporary = () => mkdtempSync(join(tmpdir(), 'vattention-bench-'))

function runBench(file, ...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, file), ...args], {
    encoding: 'utf8',
    cwd: temporary(),
  })
  return { status, stdout, stderr }
}

describe('statistics', () => {
  it('quantiles are interpolated, and the median of an even number lies between two', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5)
    expect(quantile([10, 20], 0.25)).toBe(12.5)
    expect(median([7])).toBe(7)
    expect(median([])).toBeNaN()
  })

  it('the interval of the median contains it and shrinks with more samples', () => {
    const random = mulberry32(1)
    const few = normal(20, random)
    const many = normal(2000, random)
    const [wide, narrow] = [interval(few, random), interval(many, random)]
    expect(wide.low).toBeLessThanOrEqual(median(few))
    expect(wide.high).toBeGreaterThanOrEqual(median(few))
    expect(narrow.high - narrow.low).toBeLessThan((wide.high - wide.low) / 3)
  })

  it('a ratio is taken within rounds, where a drift cancels', () => {
    const below = Array.from({ length: 50 }, (_, i) => 1 + i)
    const above = below.map((value) => 1.5 * value)
    above[3] = NaN
    const found = ratio(above, below, mulberry32(2))
    expect(found).toMatchObject({ n: 49, median: 1.5, low: 1.5, high: 1.5 })
  })

  it('orders are permutations and come again with their seed', () => {
    const values = [...Array(50).keys()]
    const first = shuffled(values, mulberry32(3))
    expect(first).not.toEqual(values)
    expect([...first].sort((a, b) => a - b)).toEqual(values)
    expect(shuffled(values, mulberry32(3))).toEqual(first)
  })

  it('normal numbers have mean 0 and variance 1', () => {
    const values = normal(100_001, mulberry32(4))
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    expect(Math.abs(mean)).toBeLessThan(0.02)
    expect(Math.abs(variance - 1)).toBeLessThan(0.02)
  })

  it('summaries and latencies name what they are', () => {
    const values = Array.from({ length: 101 }, (_, i) => i)
    expect(summarize(values, mulberry32(5))).toMatchObject({
      ...{ n: 101, median: 50, p10: 10, p90: 90, min: 0, max: 100 },
    })
    expect(latencies(values)).toMatchObject({ n: 101, p50: 50, p99: 99, max: 100 })
  })
})

describe('formulas', () => {
  it.each([
    [1, 1],
    [5, 5],
    [3, 10],
    [1, 64],
  ])('%i queries over %i keys see as many pairs as are counted', (queries, keys) => {
    let pairs = 0
    for (let i = 0; i < queries; i++) pairs += keys - queries + 1 + i
    expect(causalPairs(queries, keys)).toBe(pairs)
  })

  it('a layer of Llama-3-8B', () => {
    expect(tokenBytes(llama)).toBe(4096)
    expect(attentionFlop(llama, causalPairs(8192, 8192))).toBeCloseTo(5.498e11, -8)
  })
})

describe('rounds', () => {
  it('every round measures each subject once, in orders of their own', async () => {
    const order = []
    const subjects = Object.fromEntries(
      ['a', 'b', 'c', 'd'].map((name) => [name, () => order.push(name)]),
    )
    const samples = await interleave({ subjects, most: 20, warmUp: 2, random: mulberry32(6) })
    for (const of of Object.values(samples)) expect(of).toHaveLength(20)
    const rounds = Array.from({ length: 22 }, (_, i) => order.slice(4 * i, 4 * i + 4).join(''))
    for (const one of rounds) expect([...one].sort().join('')).toBe('abcd')
    expect(new Set(rounds).size).toBeGreaterThan(5)
  })

  it('a budget that is spent ends them, after the least number', async () => {
    const slow = () => new Promise((resolve) => setTimeout(resolve, 5))
    const options = { subjects: { slow }, most: 1000, random: mulberry32(7) }
    expect((await interleave({ ...options, least: 4, budgetMs: 1 })).slow).toHaveLength(4)
  })

  it('samples are collected when the round has ended', async () => {
    let ended = 0
    const samples = await interleave({
      subjects: { a: () => ended },
      endRound: async () => void ended++,
      collect: (name, pending) => `${name}${pending}${ended}`,
      most: 2,
      warmUp: 0,
      random: mulberry32(8),
    })
    expect(samples.a).toEqual(['a01', 'a12'])
  })

  it('a sample has as many launches as it takes', () => {
    expect(launchesFor(0.5, 25)).toBe(50)
    expect(launchesFor(200, 25)).toBe(1)
    expect(launchesFor(0, 25)).toBe(256)
  })
})

describe('bars', () => {
  it('are judged by the median and tell when the interval does not decide', () => {
    const between = { median: 1.01, low: 0.98, high: 1.03 }
    expect(atLeast('x', between, 1)).toMatchObject({ met: true, decided: false })
    expect(atMost('x', between, 1)).toMatchObject({ met: false, decided: false })
    expect(atMost('x', 0.5, 1)).toEqual({
      name: 'x',
      value: 0.5,
      kind: 'atMost',
      bar: 1,
      met: true,
    })
    expect(barLine(atLeast('x', { ...between, low: 1 }, 1))).toMatch(/^ {2}met +x: 1\.010/)
  })

  it('what was not measured is neither met nor missed', () => {
    for (const nothing of [undefined, NaN, { median: NaN }]) {
      expect(atLeast('x', nothing, 1)).toMatchObject({ met: null, value: null })
    }
    expect(barLine(atLeast('x', undefined, 1))).toContain('not measured')
  })
})

describe('options', () => {
  const own = {
    lengths: { value: 'LIST', about: 'x', read: read.counts, default: [1, 2], quick: [1] },
    only: { value: 'LIST', about: 'x', read: read.names(['a', 'b']), default: ['a', 'b'] },
  }
  const parse = (...args) => parseOptions('x', 'about', own, args)

  it('have defaults, other ones for a smoke run, and values', () => {
    expect(parse()).toMatchObject({ lengths: [1, 2], only: ['a', 'b'], device: 0, quick: false })
    expect(parse('--quick')).toMatchObject({ lengths: [1], quick: true })
    expect(parse('--quick', '--lengths', '3, 4')).toMatchObject({ lengths: [3, 4] })
    expect(parse('--device', 'cpu')).toMatchObject({ device: 'cpu', quick: true })
    expect(parse('--device', '2', '--budget', '0.5')).toMatchObject({ device: 2, budget: 0.5 })
    expect(parse('--help').help).toContain('--lengths LIST')
  })

  it("of a bench's own win over what all understand", () => {
    const budget = (...args) => parseOptions('x', 'about', { budget: budgetOption(60, 15) }, args)
    expect(budget()).toMatchObject({ budget: 60 })
    expect(budget('--quick')).toMatchObject({ budget: 15 })
    expect(budget('--budget', '7')).toMatchObject({ budget: 7 })
    expect(budget('--help').help).toContain('default 60')
  })

  it.each([
    [['--lengthz', '3']],
    [['--lengths', '0']],
    [['--lengths', '8k']],
    [['--lengths', '']],
    [['--only', 'a,c']],
    [['--budget', '-1']],
    [['--device', 'gpu']],
    [['extra']],
  ])('%j is refused', (args) => {
    expect(() => parse(...args)).toThrow(UsageError)
  })
})

describe('telemetry', () => {
  const line = (ms, clock) => `2026/01/02 03:04:05.${ms}, ${clock}, 2619, 701.25, 61, 0x04\n`
  const at = new Date(2026, 0, 2, 3, 4, 5).getTime()

  it('reads lines of nvidia-smi, and leaves out one that is half written', () => {
    const readings = parseReadings(
      `${line('100', 1980)}${line('150', 1700)}2026/01/02 03:04:05.200, 19`,
    )
    expect(readings).toHaveLength(2)
    expect(readings[1]).toEqual({
      at: at + 150,
      ...{ smClockMhz: 1700, memoryClockMhz: 2619, powerW: 701.25, temperatureC: 61 },
      throttleReasons: '0x04',
    })
    expect(parseTime('yesterday')).toBeNaN()
  })

  it('what nvidia-smi does not know is null', () => {
    expect(parseSmi('1980, [N/A], [Not Supported], 40, Active')).toEqual({
      ...{ smClockMhz: 1980, memoryClockMhz: null, powerW: null, temperatureC: 40 },
      throttleReasons: null,
    })
  })

  it('samples find the readings of their time, or the nearest', () => {
    const readings = parseReadings(line('100', 1980) + line('150', 1700) + line('200', 1500))
    expect(summarizeReadings(readings, at + 90, at + 160).smClockMhz).toBe(1840)
    expect(summarizeReadings(readings, at + 140, at + 141).smClockMhz).toBe(1700)
    expect(summarizeReadings(readings, at + 5000, at + 5001)).toBeNull()
    const samples = [{ ms: 2, from: at + 140, to: at + 160 }]
    const between = (from, to) => summarizeReadings(readings, from, to)
    expect(columns(samples, { between })).toMatchObject({ ms: [2], smClockMhz: [1700] })
    const { summary } = figures(samples, { between }, { name: 'tflops', work: 1 }, mulberry32(1))
    expect(summary.tflops.median).toBe(500)
    expect(summary.tflopsPerGhz.median).toBeCloseTo(500 / 1.7)
    const nothing = columns(samples, { between: () => null })
    expect(nothing).toEqual({ ms: [2] })
  })
})

describe('results', () => {
  const gpu = { isGpu: false, name: 'none' }
  const about = { bench: 'x', kind: 'kernel', what: 'x', protocol: {}, workload: {} }

  it('are plain numbers, null for what is none', () => {
    const values = { a: NaN, b: 1 / 3, c: 123456789, d: [Infinity, 2n], e: undefined, f: 'x' }
    expect(plain({ ...values, g: Float64Array.of(0.5) })).toEqual({
      ...{ a: null, b: 0.333333, c: 123456789, d: [null, '2'], f: 'x', g: [0.5] },
    })
  })

  it('have all that makes them results', () => {
    const result = new Result(about, { quick: true, seed: 1 }, gpu)
    result.bars.push(atLeast('x', undefined, 1))
    result.skip('a case', new Error('a\n reason'))
    const made = result.toJSON()
    expect(resultReasons(made)).toEqual([])
    expect(made).toMatchObject({
      label: 'smoke',
      skipped: [{ case: 'a case', reason: 'a reason' }],
    })
    expect(
      resultReasons({ ...made, kind: 'other', host: null, bars: [{ name: 'y', bar: 1 }] }),
    ).toEqual(['host: object required', 'kind: kernel or memory required'])
    expect(
      resultReasons({ ...made, bars: [{ name: 'y', bar: 1, met: true, value: null }] }),
    ).toEqual(['bars: y is not judged'])
    expect(resultReasons({ ...made, skipped: [{ case: 'y' }] })).toHaveLength(1)
  })

  it('of a GPU are written with their name, of a smoke run marked as such; of the CPU not', () => {
    const out = temporary()
    const onGpu = { isGpu: true, info: { name: 'G', uuid: 'GPU-none', computeCapability: '9.0' } }
    for (const quick of [true, false]) {
      const result = new Result(about, { quick, seed: 1, out }, onGpu)
      expect(result.finish()).toBeUndefined() // nothing was measured
      result.cases.push({ name: 'y', ms: [1, 2.5, null] })
      result.finish()
    }
    expect(readdirSync(out).sort()).toEqual(['gpu-x-smoke.json', 'gpu-x.json'])
    const text = readFileSync(join(out, 'gpu-x.json'), 'utf8')
    expect(text).toContain('[1,2.5,null]')
    const written = JSON.parse(text)
    expect(written).toMatchObject({ schemaVersion: 1, label: 'full', device: { name: 'G' } })
    const elsewhere = join(out, 'none')
    const tried = new Result(about, { quick: true, seed: 1, out: elsewhere }, gpu)
    tried.cases.push({ name: 'y' })
    expect(tried.finish()).toBeUndefined()
    expect(existsSync(elsewhere)).toBe(false)
  })
})

describe('committed results', () => {
  const results = join(root, 'bench/results')
  const files = readdirSync(results).filter((file) => file.startsWith('gpu-'))

  it('are of whole runs, by benches that there are', () => {
    for (const file of files) {
      const result = JSON.parse(readFileSync(join(results, file), 'utf8'))
      expect(resultReasons(result), file).toEqual([])
      expect(result.label, file).toBe('full')
      expect(file).toBe(`gpu-${result.bench}.json`)
      expect(benches).toContain(`${result.bench}.mjs`)
    }
  })
})

describe('a program that answers lines', () => {
  it('answers one by one, and tells when it has ended', async () => {
    const source = `
      const lines = require('node:readline').createInterface({ input: process.stdin })
      console.log('{"ready":true}')
      lines.on('line', (line) => console.log(JSON.stringify({ twice: 2 * JSON.parse(line).value })))`
    const one = new LineProcess(process.execPath, ['-e', source])
    expect(await one.next()).toEqual({ ready: true })
    expect(await one.ask({ value: 21 })).toEqual({ twice: 42 })
    await one.end()
    await expect(one.ask({ value: 1 })).rejects.toThrow('it ended (0)')
  })

  it('that is not there is an error with its name', async () => {
    const none = new LineProcess('/no/such/program', [])
    await expect(none.next()).rejects.toThrow('/no/such/program')
  })
})

describe('a filled cache', () => {
  const gpu = openDevice('cpu')
  const model = { layers: 3, queryHeads: 4, kvHeads: 2, headDim: 64, dtype: 'bfloat16' }
  const about = { model, sequences: 4, length: 256 }
  const noiseOf = (rows, heads, seed) => {
    const { headDim, dtype } = model
    return new Noise(gpu, { rows, heads, headDim, dtype, random: mulberry32(seed) })
  }
  const noise = noiseOf(128, model.kvHeads, 1)
  const backend = createCpuBackend()
  const fill = (options) =>
    new FilledCache(gpu, { ...about, random: mulberry32(2), ...options }, [backend], noise)

  it('bfloat16 here is what the tensor holds', () => {
    const values = normal(1000, mulberry32(3))
    const tensor = hostTensor('bfloat16', [1000])
    write(tensor, values)
    expect([...readTensor(tensor)]).toEqual([...values.map(bfloat16)])
  })

  it('holds the noise that it says', async () => {
    const filled = fill({ layout: 'interleaved' })
    const { layers } = filled.cache.view()
    const slots = new Int32Array(4)
    filled.cache.view().slots(filled.handles, slots)
    for (const [layer, sequence, token] of [
      [0, 0, 0],
      [1, 3, 255],
      [2, 2, 100],
    ]) {
      for (const [kind, name] of ['key', 'value'].entries()) {
        const tensor = layers[layer][name]
        const at = slots[sequence] * tensor.strides[0] + token * tensor.strides[1]
        const row = {
          ...tensor,
          data: tensor.data + BigInt(2 * at),
          shape: tensor.shape.slice(2),
          strides: tensor.strides.slice(2),
        }
        const from = filled.noiseRow(layer, kind, sequence, token) * noise.rowSize
        const expected = noise.values.subarray(from, from + noise.rowSize)
        expect([...readTensor(row)]).toEqual([...expected])
      }
    }
    await filled.dispose()
  })

  it('of blocks has them in random order, all of them', async () => {
    const filled = fill({ blockTokens: 8 })
    expect(filled.scatter).toBeGreaterThan(0.9)
    const tables = new Int32Array(4 * 32)
    filled.cache.view().blockTables(filled.handles, tables, 32)
    expect([...tables].sort((a, b) => a - b)).toEqual([...Array(128).keys()])
    await filled.dispose()
  })

  it('refuses what is no whole pieces of the noise', () => {
    expect(() => fill({ layout: 'split', length: 250 })).toThrow('whole pieces')
  })

  describe('is attended to', () => {
    const queryNoise = noiseOf(128, model.queryHeads, 4)
    const copyRows = (from, to) => write(to, readTensor(from))
    const rows = new Rows(gpu, model, 1024, queryNoise, copyRows)
    const attend = (filled) => new Subject(gpu, 'x', backend, filled, rows, 1024)

    it.each([
      ['interleaved', { layout: 'interleaved' }],
      ['split', { layout: 'split' }],
      ['blocks', { blockTokens: 16 }],
      ['published blocks', { blockTokens: 16, poolLayout: 'paged-attention' }],
    ])('as the oracle does: %s', async (_, options) => {
      const filled = fill(options)
      const subject = attend(filled)
      for (const query of [1, 256]) {
        subject.prepare(query, 256)
        expect(await subject.check({ layer: 1 })).toBeLessThan(0.01)
      }
      subject.dispose()
      await filled.dispose()
    })

    it('and a wrong result is found', async () => {
      const filled = fill({ layout: 'split' })
      const subject = attend(filled)
      subject.prepare(256, 256)
      const { noiseRow } = filled
      filled.noiseRow = (layer, kind, sequence, token) =>
        noiseRow.call(filled, layer, kind, sequence, token === 17 ? 18 : token)
      await expect(subject.check()).rejects.toThrow('wrong: sequence 0')
      subject.dispose()
      await filled.dispose()
    })

    it.each(['interleaved', 'split'])('in plain memory, with the same bits: %s', async (layout) => {
      const filled = fill({ layout })
      const foreign = new ForeignCache(gpu, filled)
      const copied = Object.assign(Object.create(filled), {
        cache: foreign,
        handles: foreign.handles,
      })
      const outputs = []
      for (const one of [filled, copied]) {
        const subject = attend(one)
        subject.prepare(256, 256)
        subject.run(2)
        outputs.push([...readTensor(subject.tensors.output)])
        subject.dispose()
      }
      expect(outputs[0]).toEqual(outputs[1])
      await foreign.disposeAsync()
      await filled.dispose()
    })
  })

  it('the oracle weighs by the softmax', () => {
    const one = Float32Array.of(1, 0)
    const keys = [Float32Array.of(0, 0), Float32Array.of(Math.SQRT2 * Math.log(3), 0)]
    const values = [Float32Array.of(4, 0), Float32Array.of(8, 4)]
    const found = attentionRow(
      one,
      2,
      (i) => keys[i],
      (i) => values[i],
    )
    expect(found[0]).toBeCloseTo(7)
    expect(found[1]).toBeCloseTo(3)
  })
})

describe('without a GPU', () => {
  it('there is a reason', () => {
    expect(() => openDevice(1000)).toThrow(Unavailable)
  })

  it.each(benches)('%s tells its options', (file) => {
    const { status, stdout } = runBench(file, '--help')
    expect(status).toBe(0)
    expect(stdout).toContain(`node bench/gpu/${file} [options]`)
  })

  it.each(['prefill.mjs', 'suite.mjs'])('%s refuses what it does not know', (file) => {
    const { status, stderr } = runBench(file, '--no-such-option')
    expect(status).toBe(2)
    expect(stderr).toContain('no-such-option')
  })

  it.each(benches.filter((file) => file !== 'suite.mjs'))(
    '%s says why nothing is measured, and writes nothing',
    (file) => {
      const out = join(temporary(), 'none')
      // No machine has so many.
      const { status, stdout } = runBench(file, '--device', '1000', '--out', out)
      expect(status).toBe(0)
      expect(stdout).toMatch(/not measured, nothing written: \S/)
      expect(existsSync(out)).toBe(false)
    },
  )

  it('the suite of them on the CPU runs all', () => {
    const out = join(temporary(), 'none')
    const { status, stdout } = runBench('suite.mjs', '--device', 'cpu', '--out', out)
    expect(stdout).not.toContain('failed')
    expect(status).toBe(0)
    for (const name of ['prefill', 'decode', 'pages', 'step', 'overhead']) {
      expect(stdout).toContain(`=== ${name}`)
    }
    expect(existsSync(out)).toBe(false)
  })
})
