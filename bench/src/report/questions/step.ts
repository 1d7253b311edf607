import type { PlacedCase } from '../../result/index.ts'
import { formatNumber } from '../format.ts'
import { panelsSpec, type PanelPoint } from '../plot/panels.ts'
import {
  figureOf,
  groupsBy,
  number,
  ofBench,
  shown,
  slug,
  text,
  type Figure,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { latencyCaption, latencyPoint, latencySpec } from './latencies.ts'
import { percentilesCaption, percentilesSpec } from './percentiles.ts'

/** How the memory of a cache gets there, in words. */
function mapperName({ parameters: { mapper, aheadTokens } }: PlacedCase): string {
  if (mapper === null || mapper === undefined) return 'pool'
  if (mapper === false) return 'no mapper'
  return Number(aheadTokens) > 1 ? 'mapped ahead' : 'mapper, nothing ahead'
}

export const stepLatency: Question = {
  id: 'step',
  title: 'How long does a step of the memory manager take?',
  asks: 'What a serving loop waits for before each forward pass: its sequences grow by a token, cross into new pages, or are replaced. A mapper of its own thread takes the mapping out of the step.',
  benches: ['step'],
  figures: (results) =>
    ofBench(results, 'step').flatMap((of) =>
      loadFigures(
        of,
        results,
        of.cases.filter(
          ({ metrics, parameters }) => 'stepUs' in metrics && parameters.part !== 'iterations',
        ),
      ),
    ),
}

/** A plot for each load: all caches and ways of mapping. */
function loadFigures(
  of: ReportedResult,
  results: readonly ReportedResult[],
  cases: readonly PlacedCase[],
): Figure[] {
  const loads = [...new Set(cases.map((one) => text(one, 'load')))]
  return loads.map((load) => {
    const own = cases.filter((one) => text(one, 'load') === load)
    return figureOf(`step-${slug(load)}`, of, results, {
      title: `Step of ${number(own[0]!, 'sequences')} sequences, ${load}`,
      spec: percentilesSpec(own, 'stepUs', 'time of a step, µs (logarithmic)', (one) => {
        const how = mapperName(one)
        return how === 'pool' ? text(one, 'cache') : `${text(one, 'cache')}, ${how}`
      }),
      caption: percentilesCaption,
    })
  })
}

/** Every iteration of a case, in order. */
function iterationPoints(one: PlacedCase, series: string): PanelPoint[] {
  const pageTokens = shown(one.metrics.pageTokens).value
  const page = pageTokens === null ? '' : `: ${formatNumber(pageTokens)} tokens a page`
  const panel = `${text(one, 'cache')}${page}`
  return (one.samples?.stepUs ?? []).flatMap((y, x) =>
    y === null || y <= 0 ? [] : [{ panel, series, x, y }],
  )
}

export const iterations: Question = {
  id: 'iterations',
  title: 'Which iterations wait for memory?',
  asks: 'All sequences grow together, and every iteration is drawn. With a tensor for each layer and large pages, all tensors need a page in the same iteration: few and high spikes. Interleaved they are lower, and come more often. Mapped ahead, they leave the step.',
  benches: ['step'],
  figures: (results) =>
    ofBench(results, 'step').flatMap((of) => {
      const all = of.cases.filter(({ parameters }) => parameters.part === 'iterations')
      return groupsBy(all, 'shape').flatMap(({ cases, suffix, about }) => {
        // What is mapped ahead is drawn over what is not.
        const points = [false, true].flatMap((mapper) =>
          cases
            .filter(({ parameters }) => (parameters.mapper === true) === mapper)
            .flatMap((one) => iterationPoints(one, mapperName(one))),
        )
        if (points.length === 0) return []
        const order = [...new Set(cases.map((one) => text(one, 'cache')))]
        const rank = ({ panel }: PanelPoint) =>
          order.findIndex((cache) => panel === cache || panel.startsWith(`${cache}:`))
        return figureOf(`iterations${suffix}`, of, results, {
          title: `Every iteration of ${number(cases[0]!, 'sequences')} sequences${about}`,
          spec: panelsSpec(
            [...points].sort((a, b) => rank(a) - rank(b)),
            {
              xAxis: 'iteration',
              yAxis: 'step, µs (log.)',
              log: true,
              height: 110,
            },
          ),
          caption:
            'The latency of every iteration of one run, in their order: single calls, which have no interval.',
        })
      })
    }),
}

export const cacheCalls: Question = {
  id: 'step-calls',
  title: 'What do the other calls of a cache cost?',
  asks: 'Forks, prefix lookups, publishing, and what a kernel is told of where the sequences are; contiguous beside paged.',
  benches: ['step'],
  figures: (results) =>
    ofBench(results, 'step').flatMap((of) => {
      const cases = of.cases.filter(({ parameters }) => parameters.part === 'calls')
      if (cases.length === 0) return []
      return figureOf('step-calls', of, results, {
        title: 'Calls of the caches',
        spec: latencySpec(
          cases.flatMap((one) =>
            latencyPoint(one, 'callUs', text(one, 'call'), text(one, 'cache')),
          ),
          'time of a call, µs',
        ),
        caption: latencyCaption,
      })
    }),
}
