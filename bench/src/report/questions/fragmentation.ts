import type { PlacedCase } from '../../result/index.ts'
import { formatBytes, formatNumber } from '../format.ts'
import { panelsSpec, type PanelPoint } from '../plot/panels.ts'
import { rowsSpec, type RowPoint } from '../plot/rows.ts'
import {
  figureOf,
  groupsBy,
  ofBench,
  shown,
  text,
  type Figure,
  type Question,
  type ReportedResult,
} from '../question.ts'

const part = (of: ReportedResult, name: string) =>
  of.cases.filter(({ parameters }) => parameters.part === name)

const sharingName = ({ parameters }: PlacedCase) => (parameters.sharing === true ? ', sharing' : '')

const cacheName = (one: PlacedCase) => `${text(one, 'cache')}${sharingName(one)}`

/** What is drawn of a cache over time, from most to least. */
const columns = {
  reserved: 'totalBytes',
  mapped: 'mappedBytes',
  used: 'usedBytes',
} as const

/** A gigabyte or a megabyte, whichever gives numbers that can be read. */
function byteUnit(bytes: readonly number[]): { readonly name: string; readonly size: number } {
  const most = Math.max(0, ...bytes)
  return most >= 2 ** 31 ? { name: 'GiB', size: 2 ** 30 } : { name: 'MiB', size: 2 ** 20 }
}

/** Cases over time, with sharing in words: what tells groups apart stands in titles. */
const timelines = (of: ReportedResult): PlacedCase[] =>
  part(of, 'trace').map((one) => ({
    ...one,
    parameters: {
      ...one.parameters,
      sharing: one.parameters.sharing === true ? 'sharing' : null,
    },
  }))

/** Bytes of a case over the trace's time. */
function timeline(one: PlacedCase): PanelPoint[] {
  const seconds = one.samples?.seconds ?? []
  const reserved = Math.max(0, ...(one.samples?.[columns.reserved] ?? []).map(Number))
  const panel = `${text(one, 'cache')}: at most ${formatBytes(reserved)} reserved`
  return Object.entries(columns).flatMap(([series, key]) =>
    (one.samples?.[key] ?? []).flatMap((y, i): PanelPoint[] => {
      const x = seconds[i]
      return typeof x === 'number' && y !== null ? [{ panel, series, x, y }] : []
    }),
  )
}

export const memoryOverTime: Question = {
  id: 'fragmentation',
  title: 'How much of the memory that a cache takes holds tokens?',
  asks: 'A trace is replayed, and after every step the cache tells what it has taken from the driver, what of it is mapped or given to sequences, and what holds tokens. What is between the lines is fragmentation.',
  benches: ['fragmentation'],
  figures: (results) =>
    ofBench(results, 'fragmentation').flatMap((of) =>
      groupsBy(timelines(of), 'trace', 'sharing').flatMap(({ cases, suffix, about }): Figure[] => {
        const points = cases.flatMap(timeline)
        if (points.length === 0) return []
        // Pools take all of their memory at once: drawn in full, they would leave nothing to see.
        const most = Math.max(
          ...points.filter(({ series }) => series !== 'reserved').map(({ y }) => y),
        )
        const { name, size } = byteUnit([most])
        return [
          figureOf(`fragmentation${suffix}`, of, results, {
            title: `Memory over time${about}`,
            spec: panelsSpec(
              points.map((one) => ({ ...one, y: one.y / size })),
              {
                xAxis: 'simulated time, s',
                yAxis: name,
                height: 72,
                steps: true,
                most: most / size,
              },
            ),
            caption:
              'Counted after every step, not timed: the same in every run. Reserved: physical memory that was taken; static: as much as the longest request needs, for each. Lines of reserved memory end where they leave the plot. Address space is in the table.',
          }),
        ]
      }),
    ),
}

/** Waste of single sequences. */
const wasteCases = (of: ReportedResult) =>
  of.cases.filter(({ metrics }) => 'worstSequenceWasteBytes' in metrics)

export const waste: Question = {
  id: 'waste',
  title: 'How much memory can one sequence waste?',
  asks: 'Pages that hold no token, at the worst length, beside the bound that the layout promises.',
  benches: ['fragmentation'],
  figures: (results) =>
    ofBench(results, 'fragmentation').flatMap((of) => {
      const points = wasteCases(of).flatMap((one): RowPoint[] =>
        [
          ['worst', 'worstSequenceWasteBytes'],
          ['bound', 'boundBytes'],
        ].flatMap(([series, metric]) => {
          const { value } = shown(one.metrics[metric!])
          if (value === null || value <= 0) return []
          const row = text(one, 'cache')
          return [{ row, series: series!, value: value / 1024, low: null, high: null }]
        }),
      )
      if (points.length === 0) return []
      return figureOf('fragmentation-waste', of, results, {
        title: 'Waste of one sequence',
        spec: rowsSpec(points, { axis: 'waste of one sequence, KiB (logarithmic)', log: true }),
        caption: 'Counted, not timed: the same in every run.',
      })
    }),
}

/** Whether something else than memory was too little. */
export const isCapped = ({ parameters: { limitedBy } }: PlacedCase): boolean =>
  limitedBy !== undefined && limitedBy !== 'memory'

/** Bars of batches: a row for each cache. */
function batchFigure(
  of: ReportedResult,
  results: readonly ReportedResult[],
  cases: readonly PlacedCase[],
  about: { readonly id: string; readonly title: string; readonly series: string },
): Figure[] {
  if (cases.length === 0) return []
  const points = cases.flatMap((one): RowPoint[] => {
    const { value } = shown(one.metrics.sequencesCount)
    if (value === null) return []
    const series = text(one, about.series)
    return [{ row: cacheName(one), series, value, low: null, high: null }]
  })
  const limit = shown(cases[0]!.metrics.limitBytes).value
  const capped = cases.filter(isCapped).map((one) => shown(one.metrics.sequencesCount).value ?? 0)
  const cap =
    capped.length > 0
      ? ` Bars of ${formatNumber(Math.max(...capped))} were ended by the number of sequences that were tried, and not by memory.`
      : ''
  return [
    figureOf(about.id, of, results, {
      title: `${about.title} in ${formatBytes(limit)}`,
      spec: rowsSpec(points, { axis: 'sequences that fit', bars: true }),
      caption: `Counted: requests of the trace at their full lengths, until no more fit.${cap}`,
    }),
  ]
}

export const largestBatch: Question = {
  id: 'max-batch',
  title: 'How many sequences fit?',
  asks: 'Requests of the trace as they end, with memory for keys and values that is limited: by the caches themselves, and computed for published models, whose memory no machine here needs to have.',
  benches: ['fragmentation'],
  figures: (results) =>
    ofBench(results, 'fragmentation').flatMap((of) => [
      ...batchFigure(of, results, part(of, 'max-batch'), {
        id: 'max-batch',
        title: 'Largest batch',
        series: 'trace',
      }),
      ...groupsBy(part(of, 'computed'), 'trace').flatMap(({ cases, suffix, about }) =>
        batchFigure(of, results, cases, {
          id: `max-batch-computed${suffix}`,
          title: `Largest batch${about}, computed`,
          series: 'shape',
        }),
      ),
    ]),
}
