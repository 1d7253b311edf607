import { decode, layout, prefill } from './headlines/attention.ts'
import type { Headline } from './headlines/headline.ts'
import { allocate, fragmentation, overlap, prefix, step, vmm } from './headlines/memory.ts'
import { launch, overhead, peers, serveOffline, serveOnline } from './headlines/serving.ts'
import { ofBench, type ReportedResult } from './question.ts'

/** What each bench comes to, in the order in which a reader meets it. */
const readers: Readonly<Record<string, (of: ReportedResult) => Headline[]>> = {
  prefill,
  decode,
  layout,
  step,
  allocate,
  vmm,
  fragmentation,
  prefix,
  overlap,
  overhead,
  launch,
  'serve-offline': serveOffline,
  'serve-online': serveOnline,
  peers,
}

/** What the results come to, in a few figures; smoke runs give none. */
export function headlines(results: readonly ReportedResult[]): Headline[] {
  const full = results.filter(({ result }) => result.label === 'full')
  return Object.entries(readers).flatMap(([bench, read]) => ofBench(full, bench).flatMap(read))
}
