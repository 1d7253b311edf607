import type { PlacedCase } from '../../result/index.ts'
import { datasheetOf } from '../datasheet.ts'
import { formatNumber } from '../format.ts'
import { rooflineSpec, type Roof, type RooflinePoint } from '../plot/roofline.ts'
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
import { rateOf } from './prefill.ts'

/** Heads of the queries, of keys and values, their dimension, and the bytes of an element. */
interface Heads {
  readonly query: number
  readonly kv: number
  readonly dim: number
  readonly elementBytes: number
}

/** Of a case, as its result tells them; undefined where it does not. */
function headsOf({ result }: ReportedResult, one: PlacedCase): Heads | undefined {
  const { heads, shapes, dtype } = result.workload
  // Caches of two bytes an element, unless it says so.
  const elementBytes = dtype === 'float32' ? 4 : 2
  const shape = Array.isArray(shapes)
    ? (shapes as unknown as Record<string, unknown>[]).find(
        ({ name }) => name === one.parameters.shape,
      )
    : undefined
  const found = shape ? [shape.queryHeads, shape.kvHeads, shape.headDim] : heads
  if (!Array.isArray(found) || found.length !== 3) return undefined
  const [query, kv, dim] = found.map(Number)
  return { query: query!, kv: kv!, dim: dim!, elementBytes }
}

/** FLOP per byte: queries and outputs once, keys and values once, masked pairs not counted. */
function intensity({ query, kv, dim, elementBytes }: Heads, newTokens: number, tokens: number) {
  const pairs = newTokens * (tokens - newTokens) + (newTokens * (newTokens + 1)) / 2
  const bytes = 2 * elementBytes * dim * (newTokens * query + tokens * kv)
  return (4 * pairs * query * dim) / bytes
}

const points = (of: ReportedResult): RooflinePoint[] =>
  of.cases.flatMap((one) => {
    const heads = headsOf(of, one)
    return heads ? pointOf(one, heads) : []
  })

function pointOf(one: PlacedCase, heads: Heads): RooflinePoint[] {
  const tokens = number(one, 'tokens')
  const backend = backendName(text(one, 'backend'))
  if (one.parameters.phase === 'rounds') {
    const { value, low, high } = shown(rateOf(one))
    if (value === null) return []
    const perTera = 'gflops' in one.metrics ? 1000 : 1
    const at = intensity(heads, tokens, tokens)
    return [
      {
        intensity: at,
        tflops: value / perTera,
        low: scaled(low, 1 / perTera),
        high: scaled(high, 1 / perTera),
        backend,
        task: 'prefill',
      },
    ]
  }
  const { value, low, high } = shown(one.metrics.gbPerSecond)
  if (value === null) return []
  // Bytes of decode are those of K and V: 4 FLOP for each pair, head and element.
  const perByte = (2 * heads.query) / (heads.kv * heads.elementBytes) / 1000
  return [
    {
      intensity: intensity(heads, 1, tokens),
      tflops: value * perByte,
      low: scaled(low, perByte),
      high: scaled(high, perByte),
      backend,
      task: 'decode',
    },
  ]
}

const scaled = (value: number | null | undefined, factor: number) =>
  value === null || value === undefined ? null : value * factor

/** The limits of a device: its data sheet's, and the bandwidth that was measured beside decode. */
function roofOf(of: readonly ReportedResult[]): Roof | undefined {
  const sheet = datasheetOf(of[0]?.result.device?.name)
  const measured = of.flatMap(({ cases }) =>
    cases.flatMap(({ metrics, parameters }) => {
      const { value } = shown(metrics.readGbPerSecond ?? metrics.copyGbPerSecond)
      return value === null ? [] : [{ value, name: String(parameters.memory) }]
    }),
  )
  const best = measured.sort((a, b) => b.value - a.value)[0]
  const memory = [
    ...(sheet
      ? [
          {
            gbPerSecond: sheet.memoryGbPerSecond,
            label: `${sheet.memoryGbPerSecond / 1000} TB/s`,
            measured: false,
          },
        ]
      : []),
    ...(best
      ? [
          {
            gbPerSecond: best.value,
            label: `${best.name}: ${formatNumber(best.value)} GB/s`,
            measured: true,
          },
        ]
      : []),
  ]
  if (memory.length === 0) return undefined
  return { memory, ...(sheet && { matrixTflops: sheet.matrixTflops }) }
}

/** What the lines are. */
function roofText({ memory, matrixTflops }: Roof): string {
  const sheet = matrixTflops === undefined ? '' : "Lines: the maker's data sheet, dense bfloat16."
  const measured = memory.some((one) => one.measured)
    ? 'Dashed: the bandwidth that was measured in the rounds of decode.'
    : ''
  return [sheet, measured].filter(Boolean).join(' ')
}

export const roofline: Question = {
  id: 'roofline',
  title: 'How near to the limits of the device is that?',
  asks: 'Decode lies under the slope of memory bandwidth, prefill under the roof of the matrix units. A point on the line would have nothing left to gain. Where no data sheet is known, the bandwidth of the memory is the measured one.',
  benches: ['prefill', 'decode'],
  figures(results) {
    const found = ofBench(results, 'prefill', 'decode')
    const devices = [...new Set(found.map(machineName))]
    return devices.flatMap((device, i) => {
      const of = found.filter((one) => machineName(one) === device)
      const roof = roofOf(of)
      const drawn = of.flatMap(points)
      if (!roof || drawn.length === 0) return []
      return [
        {
          name: devices.length > 1 ? `roofline-${i + 1}` : 'roofline',
          title: `Roofline: ${device}`,
          spec: rooflineSpec(drawn, roof),
          caption: `${roofText(roof)} Points: medians of rounds with 95 % bootstrap intervals.`,
          sources: of.map(({ source }) => source),
        },
      ]
    })
  },
}
