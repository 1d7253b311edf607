import { openBackends, type OpenBackends } from '../harness/index.ts'
import { namedCache, namedShape, type NamedShape, type Suite } from '../suite/index.ts'
import { AttentionBench } from './attention/attention-bench.ts'
import { batchLabel, batchOf, type Batch } from './attention/batch-values.ts'
import { tokensLabel } from './attention/cache-label.ts'
import { decodeBatchesOption, promptLengthsOption, threadsOption } from './attention/options.ts'
import { attentionProtocol, attentionWorkload } from './attention/protocol.ts'
import { measureLayout, type LayoutTask } from './layout/measure-layout.ts'

const layouts = ['split', 'layer-group-4', 'layer-group-8', 'interleaved']

/** Each layout with each page class. */
const withPages = (...pages: readonly string[]) =>
  pages.flatMap((page) => layouts.map((layout) => `${layout}/${page}`))

/** What is measured when nothing is said. */
const defaults = {
  gpu: {
    full: { batches: ['1x32768', '16x16384', '64x4096'], lengths: [8192, 65_536] },
    quick: { batches: ['16x4096'], lengths: [8192] },
    pages: ['2MiB', '32MiB'],
  },
  cpu: {
    full: { batches: ['1x4096', '4x2048', '16x256'], lengths: [512, 1024] },
    quick: { batches: ['4x512'], lengths: [512] },
    pages: ['64KiB', '2MiB'],
  },
}

/** @param open Where the backends come from; tests give theirs. */
export const makeLayout = (open: OpenBackends = openBackends): Suite => ({
  name: 'layout',
  kind: 'kernel',
  summary:
    'Layouts of the contiguous cache and classes of its pages: what interleaving the layers costs a kernel.',
  options: () => [decodeBatchesOption(), promptLengthsOption('8192,65536'), threadsOption()],
  budgetSeconds: { full: 120, quick: 15 },
  async open(context) {
    const { device, settings, options } = context
    const { quick } = settings
    const own = defaults[device.isGpu ? 'gpu' : 'cpu']
    const { batches: batchTexts, lengths: ownLengths } = own[quick ? 'quick' : 'full']
    const shapes = settings.shapes ?? [namedShape('llama-3-8b')]
    const caches = settings.caches ?? withPages(...own.pages).map(namedCache)
    const threads = options.threads as number | undefined
    const batches = (options.batches as Batch[] | undefined) ?? batchTexts.map(batchOf)
    const lengths = (options.lengths as number[] | undefined) ?? ownLengths
    const rounds = quick ? { most: 4, least: 3, warmUp: 1 } : { most: 40, least: 6, warmUp: 1 }
    const leastMs = device.isGpu ? (quick ? 2 : 6) : quick ? 10 : 30
    const bench = await AttentionBench.open(context, open, threads)
    const tasks = (shape: NamedShape): LayoutTask[] => [
      ...batches.map((batch) => ({ ...batch, task: 'decode' as const, query: 1, shape })),
      ...lengths.map((tokens) => ({
        ...{ task: 'prefill' as const, sequences: 1, query: tokens, tokens, shape },
      })),
    ]
    const cells = shapes.flatMap((shape) => {
      const pairings = bench.pairings(shape, caches, ['prefill', 'decode'])
      return tasks(shape).map((one) => {
        const of = one.task === 'decode' ? batchLabel(one) : `${tokensLabel(one.tokens)} tokens`
        const where = `${shapes.length > 1 ? `${shape.name}, ` : ''}${one.task} of ${of}`
        return {
          name: where,
          measure: (budgetMs: number) =>
            measureLayout(bench, { ...one, where, pairings, rounds, leastMs }, budgetMs),
        }
      })
    })
    return {
      protocol: {
        ...attentionProtocol(context, leastMs, threads),
        layers: 'all of an interleaved cache, whole groups of a grouped one: they make the stride',
      },
      workload: {
        ...attentionWorkload(shapes),
        batches: batches.map((one) => ({ ...one })),
        lengths: [...lengths],
        caches: caches.map(({ name }) => name),
      },
      cells,
      close: () => bench[Symbol.dispose](),
    }
  },
})

/** Layouts of the contiguous cache, and its page classes. */
export const layout = makeLayout()
