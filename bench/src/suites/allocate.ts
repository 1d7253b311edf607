import { Option } from 'commander'

import { namedCache, namedShape, type Suite } from '../suite/index.ts'
import { allocateBars } from './allocate/bars.ts'
import { demandOf } from './allocate/demand.ts'
import { pageClassesOf } from './allocate/page-classes.ts'
import { measurePrompts } from './allocate/prompts.ts'
import { guarded } from './memory/guarded.ts'
import { optionNumber, optionNumbers, shapeNumbers } from './memory/describe.ts'
import { count, listOf, positive } from './option-values.ts'

/** How fast prompts get memory, beside how fast a model needs it. */
export const allocate: Suite = {
  name: 'allocate',
  kind: 'memory',
  summary:
    'Allocation bandwidth: bytes a second at which prompts are backed, by page class, beside the KV growth of a model at full speed.',
  options: () => [
    new Option('--lengths <tokens>', 'prompts, with commas: 2048,16384').argParser(listOf(count())),
    new Option('--rounds <count>', 'rounds at most').argParser(count()),
    new Option(
      '--tokens-per-second <rate>',
      'of the model, for the KV growth beside it; else what memory and arithmetic allow at most',
    ).argParser(positive),
  ],
  budgetSeconds: { full: 90, quick: 20 },
  open(context) {
    const { device, settings, recorder } = context
    const { quick } = settings
    const shapes = settings.shapes ?? [namedShape(device.isGpu ? 'llama-3-8b' : 'smollm2-135m')]
    const caches =
      settings.caches ??
      (device.isGpu ? ['interleaved', 'paged-16'] : ['split', 'interleaved', 'paged-16']).map(
        namedCache,
      )
    const lengths = optionNumbers(context, 'lengths', ownLengths(device.isGpu, quick))
    const rounds = optionNumber(context, 'rounds', quick ? 5 : 30)
    return {
      protocol: {
        timer: 'the host, around one step from JavaScript; ready: until the zeroing is done too',
        order: 'rounds; in each every cache backs one prompt, shuffled',
        memory:
          'fresh: all pages were given back before; recycled: pages of a sequence that has ended; pool: blocks that were taken when the cache was made',
        mapper: 'off',
        demand:
          'upper bounds: decode reads every weight once a step and nothing else, prefill computes at the peak of the data sheet; or a rate that was given',
      },
      workload: { shapes: shapes.map(shapeNumbers), lengths: [...lengths] },
      cells: shapes.flatMap((shape) => [
        ...lengths.map((tokens) =>
          guarded(context, {
            name: `${shape.name}, ${tokens} tokens`,
            weight: Math.sqrt(tokens),
            measure: (budgetMs: number) =>
              measurePrompts(context, {
                ...{ shape, caches, tokens, rounds, budgetMs },
                pageClasses: pageClassesOf(device.isGpu),
              }),
          }),
        ),
        {
          name: `${shape.name}, KV growth`,
          weight: 0,
          measure: async () => {
            const name = `KV growth of ${shape.name}`
            try {
              for (const one of await demandOf(context, shape)) recorder.add(one)
            } catch (error) {
              recorder.skip(name, error)
            }
          },
        },
      ]),
      conclude: () => allocateBars(context),
      close: () => undefined,
    }
  },
}

function ownLengths(isGpu: boolean, quick: boolean): readonly number[] {
  if (isGpu) return quick ? [16384] : [2048, 16384, 65536]
  return quick ? [512, 2048] : [512, 2048, 8192]
}
