import { expect, test } from 'vitest'
import { memoryPlot, type MemorySample } from '../src/demo/memory-plot.ts'

const samples: MemorySample[] = ['vattention', 'paged'].flatMap((cache) =>
  Array.from({ length: 20 }, (_, i) => ({
    cache,
    ms: i * 250,
    totalBytes: cache === 'paged' ? 256 * 2 ** 20 : (40 + i * 4) * 2 ** 20,
    mappedBytes: (30 + i * 4) * 2 ** 20,
    usedBytes: (24 + i * 4) * 2 ** 20,
  })),
)

test('the plot is an SVG with a panel per cache, units on its axes and a legend', async () => {
  const svg = await memoryPlot(samples, 'KV memory while 36 requests arrive')
  expect(svg).toMatch(/^<svg[^>]+xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
  for (const text of [
    'vattention',
    'paged',
    'MiB',
    'seconds since the first request',
    'held',
    'mapped by live sequences',
    'used by tokens',
  ]) {
    expect(svg).toContain(`>${text}<`)
  }
})

test('the same samples give the same bytes', async () => {
  expect(await memoryPlot(samples, 'x')).toBe(await memoryPlot(samples, 'x'))
})
