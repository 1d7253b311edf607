import type { PlacedCase } from '../../result/index.ts'
import {
  backendName,
  figureOf,
  ofBench,
  text,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

/** What is compared with what, and where; the bench before the suite has it in one text. */
function compared(one: PlacedCase) {
  const [, backend = '', task = '', of = '', over = ''] =
    /^(.+), (.+): (.+) \/ (.+)$/.exec(text(one, 'comparison')) ?? []
  return {
    backend: text(one, 'backend') || backend,
    task: text(one, 'task') || task,
    of: text(one, 'of') || of,
    over: text(one, 'over') || over,
  }
}

/** A plot of the ratios over one subject: a row for each backend, a colour for each task. */
function figureOver(
  of: ReportedResult,
  results: readonly ReportedResult[],
  about: { readonly id: string; readonly title: string; readonly over: string },
) {
  const cases = ratiosOf(of.cases).filter((one) => compared(one).over === about.over)
  if (cases.length === 0) return []
  return [
    figureOf(about.id, of, results, {
      title: about.title,
      spec: ratioSpec(
        cases,
        (one) => compared(one).task,
        (one) => `${backendName(compared(one).backend)}, ${compared(one).of}`,
      ),
      caption: ratioCaption,
    }),
  ]
}

export const launches: Question = {
  id: 'launch',
  title: 'What do our launches cost the GPU?',
  asks: 'From C++, without JavaScript: ours against upstream’s own launchers, which are called with parameters that were made once. And the same kernel over a cache’s mapped pages against over one allocation. 1 means that nothing is lost.',
  benches: ['launch'],
  figures: (results) =>
    ofBench(results, 'launch').flatMap((of) => [
      ...figureOver(of, results, {
        ...{ id: 'launch', title: 'Our launch against upstream’s own', over: 'raw' },
      }),
      ...figureOver(of, results, {
        ...{ id: 'launch-pages', title: 'Mapped pages against cudaMalloc', over: 'cudaMalloc' },
      }),
    ]),
}
