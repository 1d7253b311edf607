import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

/** Bytes of one cache at one moment of a run. */
export interface MemorySample {
  /** Which cache: the name that the legend shows. */
  readonly cache: string
  /** Milliseconds since the first request arrived. */
  readonly ms: number
  /** Physical memory the cache holds. */
  readonly totalBytes: number
  /** Of it, mapped (or referenced) by live sequences. */
  readonly mappedBytes: number
  /** Bytes of tokens that live sequences have. */
  readonly usedBytes: number
}

const mebibyte = 2 ** 20
const series = ['held', 'mapped by live sequences', 'used by tokens']

/**
 * An SVG of memory over time, one panel per cache on the same axes: what the cache holds, what live
 * sequences map, what their tokens use.
 */
export async function memoryPlot(samples: readonly MemorySample[], title: string): Promise<string> {
  const values = samples.flatMap(({ cache, ms, totalBytes, mappedBytes, usedBytes }) => [
    { cache, seconds: ms / 1000, what: series[0], mebibytes: totalBytes / mebibyte },
    { cache, seconds: ms / 1000, what: series[1], mebibytes: mappedBytes / mebibyte },
    { cache, seconds: ms / 1000, what: series[2], mebibytes: usedBytes / mebibyte },
  ])
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, anchor: 'start', offset: 12 },
    background: 'white',
    padding: 16,
    data: { values },
    facet: {
      row: {
        field: 'cache',
        title: null,
        sort: [...new Set(samples.map(({ cache }) => cache))],
        header: {
          labelAngle: 0,
          labelAnchor: 'start',
          labelOrient: 'top',
          labelFontSize: 13,
          labelFontWeight: 'bold',
        },
      },
    },
    spec: {
      width: 620,
      height: 170,
      mark: { type: 'line', interpolate: 'step-after', strokeWidth: 2 },
      encoding: {
        x: { field: 'seconds', type: 'quantitative', title: 'seconds since the first request' },
        y: { field: 'mebibytes', type: 'quantitative', title: 'MiB', scale: { zero: true } },
        color: {
          field: 'what',
          type: 'nominal',
          title: null,
          scale: { domain: series, range: ['#80868b', '#1f77b4', '#2ca02c'] },
          legend: { orient: 'top', labelLimit: 300 },
        },
        strokeDash: {
          field: 'what',
          type: 'nominal',
          title: null,
          scale: {
            domain: series,
            range: [
              [5, 3],
              [1, 0],
              [1, 0],
            ],
          },
        },
      },
    },
  }
  const view = new View(parse(compile(spec).spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}
