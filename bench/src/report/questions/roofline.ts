import type { PlacedCase } from '../../result/index.ts'
import { datasheetOf } from '../datasheet.ts'
import { rooflineSpec, type RooflinePoint } from '../plot/roofline.ts'
import {
  backendName,
  machineName,
  number,
  ofBench,
  shown,
  text,
  type Question,
  type ReportedResult,
} from '../question.ts'

/** Bytes of an element: results of bench/gpu are in bfloat16 or float16. */
const elementBytes = 2

/** Heads of the queries, of keys and values, and their dimension; undefined where it is not told. */
function headsOf({ result }: ReportedResult) {
  const { heads } = result.workload
  if (!Array.isArray(heads) || heads.length !== 3) return undefined
  const [query, kv, dim] = heads.map(Number)
  return { query: query!, kv: kv!, dim: dim! }
}

/** FLOP per byte: queries and outputs once, keys and values once, masked pairs not counted. */
function intensity(
  { query, kv, dim }: NonNullable<ReturnType<typeof headsOf>>,
  newTokens: number,
  tokens: number,
) {
  const pairs = newTokens * (tokens - newTokens) + (newTokens * (newTokens + 1)) / 2
  const bytes = 2 * elementBytes * dim * (newTokens * query + tokens * kv)
  return (4 * pairs * query * dim) / bytes
}

function points(of: ReportedResult): RooflinePoint[] {
  const heads = headsOf(of)
  if (!heads) return []
  return of.cases.flatMap((one) => pointOf(one, heads))
}

function pointOf(one: PlacedCase, heads: NonNullable<ReturnType<typeof headsOf>>): RooflinePoint[] {
  const tokens = number(one, 'tokens')
  const backend = backendName(text(one, 'backend'))
  if (one.parameters.phase === 'rounds') {
    const { value, low, high } = shown(one.metrics.tflops)
    if (value === null) return []
    const at = intensity(heads, tokens, tokens)
    return [{ intensity: at, tflops: value, low, high, backend, task: 'prefill' }]
  }
  const { value, low, high } = shown(one.metrics.gbPerSecond)
  if (value === null) return []
  // Bytes of decode are those of K and V: 4 FLOP for each pair, head and element.
  const perByte = (2 * heads.query) / (heads.kv * elementBytes)
  const tflops = (gb: number | null | undefined) =>
    gb === null || gb === undefined ? null : (gb * perByte) / 1000
  return [
    {
      intensity: intensity(heads, 1, tokens),
      tflops: tflops(value)!,
      low: tflops(low),
      high: tflops(high),
      backend,
      task: 'decode',
    },
  ]
}

export const roofline: Question = {
  id: 'roofline',
  title: 'How near to the limits of the device is that?',
  asks: 'Decode lies under the slope of memory bandwidth, prefill under the roof of the matrix units. A point on the line would have nothing left to gain.',
  benches: ['prefill', 'decode'],
  figures(results) {
    const found = ofBench(results, 'prefill', 'decode')
    const devices = [...new Set(found.map(machineName))]
    return devices.flatMap((device, i) => {
      const of = found.filter((one) => machineName(one) === device)
      const sheet = datasheetOf(of[0]?.result.device?.name)
      const drawn = of.flatMap(points)
      if (!sheet || drawn.length === 0) return []
      return [
        {
          name: devices.length > 1 ? `roofline-${i + 1}` : 'roofline',
          title: `Roofline: ${device}`,
          spec: rooflineSpec(drawn, sheet),
          caption:
            "Lines: the maker's data sheet, dense bfloat16. Points: medians of rounds with 95 % bootstrap intervals.",
          sources: of.map(({ source }) => source),
        },
      ]
    })
  },
}
