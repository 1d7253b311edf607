import type { PagesCases } from '../schema/gpu-cases.ts'
import type { MeasuredCase } from '../schema/measured-case.ts'

/** Cases of bench "pages": one kernel over mapped pages, and over one allocation. */
export function pagesCase(one: PagesCases): MeasuredCase[] {
  const { name: task, layout, backend } = one
  if ('ratio' in one) {
    return [
      {
        name: `${task}, ${layout}: ${backend} pages / allocation`,
        parameters: { task, layout, backend, of: 'pages', over: 'allocation' },
        metrics: { speedRatio: one.ratio },
      },
    ]
  }
  const { ms, launches, launchesPerGhz: _ } = one.summary
  return [
    {
      name: `${task}, ${layout}: ${one.subject}`,
      parameters: { task, layout, backend, memory: one.subject.replace(`${backend} `, '') },
      metrics: { ms, launchesPerSecond: launches },
      samples: { ms: one.samples.ms },
      maxError: one.maxError,
    },
  ]
}
