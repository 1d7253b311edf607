import { describe, expect, it } from 'vitest'

import { renderReport, resultText, parseResult, suites, type Result } from '../src/index.ts'
import { bars, dots, intervals, lines, looks, texts } from './support/plotted.ts'
import {
  allocateResult,
  decodeResult,
  fragmentationResult,
  launchResult,
  layoutResult,
  overheadResult,
  overlapResult,
  peersResult,
  prefillResult,
  prefixResult,
  served,
  serveOfflineResult,
  serveOnlineResult,
  stepResult,
  suiteResults,
  summary,
  vmmResult,
} from './support/suite-results.ts'

const render = (...results: Result[]) =>
  renderReport(results.map((result) => ({ source: `${result.bench}.json`, result })))

/** One plot of a result's page. */
async function plot(result: Result, name: string): Promise<string> {
  const { svgs } = await render(result)
  const svg = svgs.get(name)
  if (svg === undefined) throw new Error(`no ${name} among ${[...svgs.keys()].join(', ')}`)
  return svg
}

/** The same numbers in any order, as near as a plot tells. */
function expectValues(found: readonly number[], expected: readonly number[]) {
  const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)
  expect(found).toHaveLength(expected.length)
  for (const [i, value] of sorted(expected).entries()) {
    expect(Math.abs(sorted(found)[i]! - value)).toBeLessThan(Math.max(0.02 * value, 0.002))
  }
}

const x = { axis: 'x' } as const
const logX = { axis: 'x', log: true } as const

describe('the plots of a suite', () => {
  /** Plots of a page of each suite alone. */
  const plots: Readonly<Record<string, readonly string[]>> = {
    vmm: ['vmm', 'vmm-16'],
    allocate: ['allocate'],
    step: ['step-nothing-to-map', 'step-turnover', 'iterations', 'step-calls'],
    layout: ['layout-decode', 'layout-prefill', 'layout-pages-decode', 'layout-pages-prefill'],
    prefill: ['prefill', 'prefill-layout', 'prefill-chunks', 'prefill-chunk-ratios'],
    decode: ['decode', 'decode-ratios', 'decode-memory', 'decode-reference', 'roofline'],
    fragmentation: ['fragmentation', 'max-batch', 'max-batch-computed', 'fragmentation-waste'],
    prefix: ['prefix', 'prefix-admit', 'prefix-copied'],
    overlap: ['overlap'],
    overhead: ['overhead', 'overhead-parts', 'plan-run'],
    launch: ['launch', 'launch-pages'],
    'serve-offline': ['serve-makespan', 'serve-tokens', 'serve-offline-ratios'],
    'serve-online': [
      'serve-ttft',
      'serve-tpot',
      'serve-itl',
      'serve-e2e',
      'goodput',
      'serve-online-ratios',
      'serve-event-loop',
    ],
    peers: ['peers', 'peers-decode', 'peers-ratios', 'peers-engine', 'peers-engine-ratios'],
  }

  it('are known of every suite', () => {
    expect(Object.keys(plots).sort()).toEqual(suites.map(({ name }) => name).sort())
  })

  it.each(suiteResults().map((result) => [result.bench, result] as const))(
    'of %s answer its questions, and no others',
    async (bench, result) => {
      const { svgs, html } = await render(parseResult(JSON.parse(resultText(result)), bench))
      expect([...svgs.keys()]).toEqual(plots[bench])
      for (const svg of svgs.values()) expect(svg).not.toMatch(/NaN|undefined|Infinity|null/)
      // Nothing is left for the question about the rest, and no section is empty.
      expect(html).not.toContain('What else was measured')
      expect(html).not.toMatch(/<(ul|ol|section|div)[^>]*>\s*<\/\1>/)
    },
  )

  it('have names of their own on a page of all suites', async () => {
    const { svgs } = await render(...suiteResults())
    const expected = Object.values(plots).flat()
    expect([...svgs.keys()].sort()).toEqual([...expected].sort())
  })

  it('are none where nothing was measured, and the reason is there', async () => {
    const reason = 'not available: the engine computes on the CPU only so far'
    const result = {
      ...serveOnlineResult(),
      cases: [],
      skipped: [{ case: 'flash-attention-3', reason }],
    }
    const { svgs, html } = await render(result)
    expect(svgs.size).toBe(0)
    const section = /<section id="q-serve-online".*?<\/section>/s.exec(html)![0]
    expect(section).toContain(`flash-attention-3: ${reason}`)
    expect(html).not.toContain('id="q-goodput"')
  })
})

describe('the numbers of a plot are those of its result', () => {
  it('vmm: p50 of calls with lines to p99, and the ceiling in words', async () => {
    const single = await plot(vmmResult(), 'vmm')
    expectValues(dots(single, logX), [5, 50])
    expectValues(intervals(single, logX).flat(), [5, 20, 50, 200])
    expect(texts(single)).toEqual(expect.arrayContaining(['64 KiB', '2 MiB', 'mapAndSetAccess']))
    expectValues(dots(await plot(vmmResult(), 'vmm-16'), logX), [3])
    const { html } = await render(vmmResult())
    expect(html).toContain('65,440 mappings lived together when mmap refused another (code 12)')
    expect(html).toContain('65,530 (vm.max_map_count), of which it had 90 before')
  })

  it('allocate: a line for each page class, and what the model needs', async () => {
    const svg = await plot(allocateResult(), 'allocate')
    const axis = { axis: 'y', log: true } as const
    expectValues(dots(svg, axis), [2, 8, 200, 800, 20, 80])
    expect(texts(svg)).toEqual(
      expect.arrayContaining([
        'recycled pages',
        '64 KiB only',
        'needed: decode, 64 sequences, 0.5 GB/s',
      ]),
    )
  })

  it('step: percentiles of each load, and every iteration', async () => {
    const svg = await plot(stepResult(), 'step-turnover')
    expectValues(
      dots(svg, logX),
      [4, 40, 8].flatMap((p50) => [1, 2, 4, 8].map((times) => times * p50)),
    )
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['split, mapped ahead', 'split, no mapper', 'paged-16']),
    )
    const spikes = await plot(stepResult(), 'iterations')
    const drawn = lines(spikes, { log: true })
    expect(drawn).toHaveLength(4) // two caches, with the mapper and without
    expectValues(
      drawn.flat(),
      [5, 5, 5, 5, 5, 5000, 5, 50].flatMap((us) => [us, us]),
    )
    expect(texts(spikes)).toEqual(
      expect.arrayContaining([
        'split/2MiB: 1,024 tokens a page',
        'interleaved/2MiB: 16 tokens a page',
      ]),
    )
    expectValues(dots(await plot(stepResult(), 'step-calls'), logX), [300, 30])
  })

  it('layout: ratios to split and of pages, with their intervals', async () => {
    const decode = await plot(layoutResult(), 'layout-decode')
    expectValues(dots(decode, x), [0.5])
    expectValues(intervals(decode, x).flat(), [0.45, 0.55])
    expectValues(dots(await plot(layoutResult(), 'layout-prefill'), x), [0.9])
    expectValues(dots(await plot(layoutResult(), 'layout-pages-decode'), x), [1.25])
  })

  it('prefill: prompts, chunks and mixed passes', async () => {
    const svg = await plot(prefillResult(), 'prefill')
    expectValues(dots(svg, { axis: 'y' }), [81, 82, 61, 62])
    expect(texts(svg)).toContain('GFLOP/s')
    expectValues(dots(await plot(prefillResult(), 'prefill-chunks'), x), [70, 50])
    expectValues(dots(await plot(prefillResult(), 'prefill-chunk-ratios'), x), [1.5])
    expect(texts(await plot(prefillResult(), 'prefill-chunks'))).toEqual(
      expect.arrayContaining(['256 at 1K', '128 at 512 + 4 decoding']),
    )
  })

  it('decode: kernels, graphs, and what the memory gives', async () => {
    const svg = await plot(decodeResult(), 'decode')
    expectValues(dots(svg, x), [16, 12, 14])
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['cpu paged 16, graph', 'sequential read, measured']),
    )
    expectValues(dots(await plot(decodeResult(), 'decode-memory'), x), [0.8])
    expectValues(dots(await plot(decodeResult(), 'decode-reference'), x), [3])
  })

  it('roofline: a CPU lies under the bandwidth that was measured', async () => {
    const svg = await plot(decodeResult(), 'roofline')
    // 4 FLOP for each byte of K and V.
    expectValues(dots(svg, { axis: 'y', log: true }), [64, 48])
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['sequential read: 20 GB/s', 'GFLOP/s (logarithmic)']),
    )
    const prompts = await render(prefillResult())
    expect(prompts.svgs.has('roofline')).toBe(false)
    const both = await render(prefillResult(), decodeResult())
    expectValues(
      dots(both.svgs.get('roofline')!, { axis: 'y', log: true }),
      [64, 48, 81, 82, 61, 62],
    )
  })

  it('fragmentation: bytes over time, waste, batches', async () => {
    const drawn = lines(await plot(fragmentationResult(), 'fragmentation'))
    expect(drawn).toHaveLength(9) // three caches, three lines each
    // Steps: a line goes through each value, and on to the next time.
    const values = (line: readonly number[]) => [
      ...new Set(line.map((value) => Math.round(value / 10) * 10)),
    ]
    expect(drawn.slice(0, 3).map(values)).toEqual([
      [100, 200],
      [90, 150, 120],
      [80, 110, 40],
    ])
    expect(texts(await plot(fragmentationResult(), 'fragmentation'))).toContain(
      'paged-16: at most 200 MiB reserved',
    )
    expectValues(bars(await plot(fragmentationResult(), 'max-batch')), [65, 60, 20])
    expectValues(bars(await plot(fragmentationResult(), 'max-batch-computed')), [650, 600, 200])
    expectValues(dots(await plot(fragmentationResult(), 'fragmentation-waste'), logX), [63, 64])
  })

  it('prefix: hits beside the ceilings, admissions, copies', async () => {
    expectValues(dots(await plot(prefixResult(), 'prefix'), x), [0.3, 0.38, 0.4, 0.35, 0.38, 0.4])
    expectValues(
      dots(await plot(prefixResult(), 'prefix-admit'), logX),
      [200, 50, 100, 200, 50, 100],
    )
    expectValues(bars(await plot(prefixResult(), 'prefix-copied')), [30, 0])
  })

  it('overhead: JavaScript beside C++', async () => {
    const svg = await plot(overheadResult(), 'overhead')
    expectValues(dots(svg, x), [400, 300, 80])
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['from JavaScript', 'from C++', 'FlashAttention-3 interleaved']),
    )
    expectValues(dots(await plot(overheadResult(), 'overhead-parts'), logX), [20, 60, 10, 8])
    const calls = await plot(overheadResult(), 'plan-run')
    expectValues(dots(calls, x), [1.25, 0.25, 1.5, 0.5])
    expect(texts(calls)).toContain('cpu split, from C++')
  })

  it('overlap: the time beside each mapping, the noise, and what was mapped', async () => {
    const svg = await plot(overlapResult(), 'overlap')
    expectValues(dots(svg, x), [1, 1.125, 1.25, 1, 1.125, 0.75])
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['cpu split, decode 4 × 2K', 'cpu split, prefill 1K']),
    )
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['nothing, once more', 'demand mapping', 'unthrottled mapping']),
    )
    const { html } = await render(overlapResult())
    expect(html).toContain('mapped meanwhile, demand: 0.05 GB/s; unthrottled: 1 to 4 GB/s.')
    expect(html).toContain('On a CPU the mapper has no core of its own')
  })

  it('launch: ours over upstream’s, and pages over an allocation', async () => {
    const svg = await plot(launchResult(), 'launch')
    expectValues(dots(svg, x), [1.05, 1.15])
    expect(texts(svg)).toEqual(
      expect.arrayContaining(['FlashAttention-3, cudaMalloc', 'prefill 16K', 'decode 16x16K']),
    )
    const pages = await plot(launchResult(), 'launch-pages')
    expectValues(dots(pages, x), [0.85, 0.75])
    expectValues(intervals(pages, x).flat(), [0.765, 0.935, 0.675, 0.825])
  })

  it('serving: makespans, throughput, latencies, goodput', async () => {
    expectValues(bars(await plot(serveOfflineResult(), 'serve-makespan')), [10, 15, 20])
    expectValues(bars(await plot(serveOfflineResult(), 'serve-tokens')), [1000, 666.7, 500])
    const ttft = await plot(serveOnlineResult(), 'serve-ttft')
    expectValues(dots(ttft, logX), [100, 200, 400, 800, 200, 400, 800, 1600])
    expect(texts(ttft)).toEqual(expect.arrayContaining(['split, sharing', 'load 0.7, 4.4/s']))
    expectValues(bars(await plot(serveOnlineResult(), 'goodput')), [4, 2])
    const loop = await plot(serveOnlineResult(), 'serve-event-loop')
    expectValues(dots(loop, logX), [0.5, 1, 2, 4])
    expect(texts(loop)).toEqual(expect.arrayContaining(['split, sharing', '32 requests']))
    const { html } = await render(serveOnlineResult())
    expect(html).toContain('Limits: ttftSeconds 2, tpotSeconds 0.1.')
  })

  it('serve-online: latency over the rate where there are several', async () => {
    const rated = (load: number, by: number, arrivals: number) =>
      served('split', true, { arrivals: 'poisson', load }, by, arrivals)
    const result = { ...serveOnlineResult(), cases: [rated(0.5, 1, 2), rated(0.8, 3, 4)] }
    const svg = await plot(result, 'serve-ttft-over-rate')
    expectValues(dots(svg, { axis: 'y', log: true }), [100, 300, 200, 600])
    expectValues(dots(svg, { axis: 'x' }), [2, 4, 2, 4])
    expect(texts(svg)).toEqual(expect.arrayContaining(['p50', 'p90', 'TTFT, ms (logarithmic)']))
    expect((await render(serveOnlineResult())).svgs.has('serve-ttft-over-rate')).toBe(false)
  })

  it('decode: no two of many batches look alike', async () => {
    const batches = Array.from({ length: 12 }, (_, i) => ({
      name: `decode ${i + 1}`,
      parameters: {
        backend: 'cpu',
        cache: 'split',
        sequences: i + 1,
        tokens: 1024,
        shape: 'small',
      },
      metrics: { gbPerSecond: summary(i + 1) },
    }))
    const svg = await plot({ ...decodeResult(), cases: batches }, 'decode')
    expect(new Set(looks(svg)).size).toBe(12)
  })

  it('peers: each beside ours, and the engines', async () => {
    expectValues(dots(await plot(peersResult(), 'peers'), { axis: 'y' }), [90, 60])
    expectValues(dots(await plot(peersResult(), 'peers-decode'), x), [16, 4])
    const svg = await plot(peersResult(), 'peers-ratios')
    expectValues(dots(svg, x), [1.5, 4])
    expectValues(intervals(svg, x).flat(), [1.35, 1.65, 3.6, 4.4])
    expectValues(dots(await plot(peersResult(), 'peers-engine'), x), [120, 40])
    expectValues(dots(await plot(peersResult(), 'peers-engine-ratios'), x), [3])
    const { html } = await render(peersResult())
    expect(html).toContain(
      'Greedy answer to Why?: parts at token 31 of 128, &quot; a&quot; here and &quot; the&quot; there (our best two logits are 0.125 apart).',
    )
    expect(html).toContain('Greedy answer to How?: the same 128 tokens.')
  })
})

describe('the summary', () => {
  /** Cards of a page: what about, and the figure. */
  async function cards(result: Result): Promise<Record<string, string>> {
    const { html } = await render(result)
    const found = [
      ...html.matchAll(/<span>([^<]+)<\/span><strong>([^<]*) <small>([^<]*)<\/small>/g),
    ]
    return Object.fromEntries(found.map(([, about, value, unit]) => [about, `${value} ${unit}`]))
  }

  it('has a figure of every suite', async () => {
    for (const result of suiteResults()) {
      expect(Object.keys(await cards(result)), result.bench).not.toEqual([])
    }
  })

  it('has the numbers of the results', async () => {
    expect(await cards(vmmResult())).toEqual({
      'Driver: mapAndSetAccess of one page, p50': '5.0 – 50.0 µs',
      'Mappings that live together': '65,440 ',
    })
    expect(await cards(fragmentationResult())).toEqual({
      'Largest batch, contiguous against paged': '1.08 ×',
      'Largest batch, contiguous against static reservation': '3.25 ×',
    })
    expect(await cards(stepResult())).toMatchObject({
      'Step of the memory manager, p99': '16 µs',
    })
    expect(await cards(overlapResult())).toEqual({
      'Attention beside demand mapping': '1.125 ×',
      'Attention beside unthrottled mapping': '0.750 – 1.250 ×',
    })
    expect(await cards(launchResult())).toEqual({
      'Our launches against upstream’s own': '1.05 – 1.15 ×',
      'The same kernel over mapped pages against cudaMalloc': '0.75 – 0.85 ×',
    })
    expect(await cards(serveOfflineResult())).toMatchObject({
      'Engine offline, contiguous against paged': '1.33 ×',
    })
  })

  it('says nothing of batches that memory did not end', async () => {
    const result = fragmentationResult()
    const cases = result.cases.map((one) =>
      'metrics' in one && one.parameters.part === 'max-batch'
        ? { ...one, parameters: { ...one.parameters, limitedBy: 'slots' } }
        : one,
    )
    expect(await cards({ ...result, cases })).toEqual({})
    const { html } = await render({ ...result, cases })
    expect(html).toContain('Bars of 65 were ended by the number of sequences')
  })

  it('is not there without figures: a smoke run has none', async () => {
    const { html } = await render({ ...vmmResult(), label: 'smoke' })
    expect(html).not.toContain('id="summary"')
    expect(html).toContain('smoke run')
  })
})

it('breaks long names instead of cutting them off', async () => {
  const name =
    'azure-2023-conv, offline, ample memory and a name that nobody would give: layer-group-8'
  const { svgs } = await renderReport([
    {
      source: 'example.json',
      result: {
        ...vmmResult(),
        bench: 'example',
        cases: [{ name, parameters: {}, metrics: { ms: 3 } }],
      },
    },
  ])
  const drawn = texts(svgs.get('example-ms')!)
  expect(drawn.every((line) => line.length <= 60)).toBe(true)
  const words = drawn.join(' ')
  for (const word of name.split(' ')) expect(words).toContain(word)
})
