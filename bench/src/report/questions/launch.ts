import {
  backendName,
  figureOf,
  ofBench,
  text,
  type Question,
  type ReportedResult,
} from '../question.ts'
import { ratioCaption, ratiosOf, ratioSpec } from './ratios.ts'

/** A plot of the ratios over one subject: a row for each backend, a colour for each task. */
function figureOver(
  of: ReportedResult,
  results: readonly ReportedResult[],
  about: { readonly id: string; readonly title: string; readonly over: string },
) {
  const cases = ratiosOf(of.cases).filter((one) => text(one, 'over') === about.over)
  if (cases.length === 0) return []
  return [
    figureOf(about.id, of, results, {
      title: about.title,
      spec: ratioSpec(
        cases,
        (one) => text(one, 'task'),
        (one) => `${backendName(text(one, 'backend'))}, ${text(one, 'of')}`,
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
