import { uniformPass } from '../../harness/index.ts'
import type { NamedCache, NamedShape } from '../../suite/index.ts'
import type { AttentionBench, Pairing } from '../attention/attention-bench.ts'
import { subjectCase } from '../attention/cell-cases.ts'
import type { RoundCounts } from '../attention/attention-cell.ts'
import { LiveCell } from '../attention/live-cell.ts'
import { ratioCase, type Compared } from '../attention/ratio-cases.ts'
import { rotationOf } from '../attention/rotation.ts'
import { taskRate, taskWork, type TaskKind } from '../attention/task-work.ts'

/** What the layouts are compared at. */
export interface LayoutTask {
  readonly task: TaskKind
  readonly shape: NamedShape
  readonly sequences: number
  /** New ones of each sequence. */
  readonly query: number
  /** In the cache, of each sequence. */
  readonly tokens: number
}

/** How one task is measured. */
export interface LayoutCell extends LayoutTask {
  readonly where: string
  readonly pairings: readonly Pairing[]
  readonly rounds: RoundCounts
  readonly leastMs: number
}

/** Layout and page class of a cache, apart: `split/2MiB`. */
const partsOf = ({ name }: NamedCache) => {
  const [form = name, page] = name.split('/', 2)
  return { form, page: page ?? null }
}

/** Every layout over the split one with the same pages; every page class over a split one's first. */
function compared(pairings: readonly Pairing[]): Compared[] {
  const found: Compared[] = []
  for (const of of pairings) {
    const { form, page } = partsOf(of.cache)
    const own = pairings.filter(({ short }) => short === of.short)
    const split = own.find(({ cache }) => {
      const other = partsOf(cache)
      return other.form === 'split' && other.page === page
    })
    const firstPage = own.find(({ cache }) => partsOf(cache).form === form)
    if (split && split !== of) found.push({ of: of.name, over: split.name })
    if (firstPage && firstPage !== of) found.push({ of: of.name, over: firstPage.name })
  }
  return found
}

/** Measures one task over all layouts, and records its cases and ratios. */
export async function measureLayout(
  bench: AttentionBench,
  cell: LayoutCell,
  budgetMs: number,
): Promise<void> {
  const { device, recorder, random } = bench.context
  const { where, task, shape, sequences, query, tokens, pairings, rounds, leastMs } = cell
  const pass = uniformPass(sequences, query, tokens)
  const workOf = (of: typeof pass) => taskWork(task, shape, of)
  const rate = taskRate(task, device, workOf(pass))
  const live = await LiveCell.open(
    bench,
    {
      ...{ where, shape, pairings, sequences, pass, workOf, leastMs },
      length: tokens,
      rotation: rotationOf(device, shape, sequences * tokens, 8),
      pace: `${shape.name} ${task}`,
    },
    rounds,
    budgetMs,
  )
  if (!live) return
  try {
    const samples = await live.time(rounds, budgetMs)
    const parameters = { shape: shape.name, task, sequences, tokens }
    for (const one of live.subjects) {
      const { form, page } = partsOf(one.cache)
      const about = { where, parameters: { ...parameters, cache: form, page } }
      const made = subjectCase(bench, one, samples[one.name], rate, about)
      if (made) recorder.add(made)
    }
    for (const one of compared(pairings)) {
      const made = ratioCase(one, samples, where, { parameters, metric: 'speedRatio' }, random)
      if (made) recorder.add(made)
    }
  } finally {
    await live.close()
  }
}
