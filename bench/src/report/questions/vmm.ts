import type { PlacedCase } from '../../result/index.ts'
import { formatBytes, formatNumber } from '../format.ts'
import {
  figureOf,
  machineName,
  number,
  ofBench,
  shown,
  text,
  type Figure,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { latencyCaption, latencyPoint, latencySpec } from './latencies.ts'

/** Calls of one page each, or the batches of one size. */
function callsOf(of: ReportedResult): Map<number, PlacedCase[]> {
  const found = new Map<number, PlacedCase[]>()
  for (const one of of.cases) {
    if (one.parameters.part !== 'calls') continue
    // An export is of one page in a round of many, too: what tells is the round.
    const handles = Number(/^(\d+) x /.exec(text(one, 'round'))?.[1] ?? 1)
    found.set(handles, [...(found.get(handles) ?? []), one])
  }
  return found
}

const pageOf = (one: PlacedCase) => formatBytes(number(one, 'pageBytes'))

export const driverCalls: Question = {
  id: 'vmm',
  title: 'What do the calls cost that back memory?',
  asks: 'The calls of the driver under everything else, one page a call and several, by page class. Where a batch costs a page as much as a call of its own, batching is worth nothing.',
  benches: ['vmm'],
  figures: (results) =>
    ofBench(results, 'vmm').flatMap((of) =>
      [...callsOf(of)].map(([handles, cases]): Figure => {
        const one = handles === 1
        return figureOf(one ? 'vmm' : `vmm-${handles}`, of, results, {
          title: one ? 'Driver calls, one page each' : `Driver calls of ${handles} pages, per page`,
          spec: latencySpec(
            cases.flatMap((each) =>
              latencyPoint(each, one ? 'callUs' : 'pageUs', text(each, 'call'), pageOf(each)),
            ),
            one ? 'time of a call, µs' : 'time of a call per page, µs',
          ),
          caption: `${latencyCaption} Colours: size of a page.`,
        })
      }),
    ),
  words: (results) => ofBench(results, 'vmm').flatMap(ceilingWords),
}

/** How many mappings live, in a sentence: `of` is a result of suite vmm. */
function ceilingWords(of: ReportedResult): string[] {
  return of.cases
    .filter(({ parameters }) => parameters.part === 'ceiling')
    .map((one) => {
      const count = (key: string) => shown(one.metrics[key]).value
      const live = formatNumber(count('liveMappingsCount'))
      const limit = count('limitCount')
      const own =
        limit === null
          ? ''
          : ` Linux allows a process ${formatNumber(limit)} (vm.max_map_count), of which it had ${formatNumber(count('processCount'))} before.`
      const end = text(one, 'end')
      const how =
        end === 'driver'
          ? `${live} mappings lived together when ${text(one, 'driverCall') || 'the driver'} refused another (code ${text(one, 'driverCode') || 'not known'}).`
          : `At least ${live} mappings live together: the search was ended by the ${end}.`
      return `${machineName(of)}: ${how}${own}`
    })
}
