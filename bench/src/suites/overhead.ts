import { Option } from 'commander'

import { openBackends, type OpenBackends, type OpenedBackends } from '../harness/index.ts'
import { namedCache, namedShape, type NamedCache, type Suite } from '../suite/index.ts'
import { guarded } from './memory/guarded.ts'
import { optionNumber, shapeNumbers } from './memory/describe.ts'
import { count } from './option-values.ts'
import { measureEmptyCalls } from './overhead/measure-call.ts'
import { measureOverhead } from './overhead/measure.ts'
import { nativeOverhead, type NativeOverhead } from './overhead/native.ts'
import { blockPasses, warmUpPasses } from './overhead/time-block.ts'

type Backends = OpenedBackends['found']

/** The suite; tests give it backends of their own, and what C++ would have measured. */
export const overheadWith = (
  open: OpenBackends,
  native: NativeOverhead = nativeOverhead,
): Suite => ({
  name: 'overhead',
  kind: 'kernel',
  summary:
    'The calling thread’s time for a decode pass: step, prepare, and run for each layer, from JavaScript, from C++, and as a graph.',
  options: () => [
    new Option('--passes <count>', 'that are measured of each backend').argParser(count()),
    new Option('--sequences <count>', 'that decode').argParser(count()),
    new Option('--length <tokens>', 'of each sequence').argParser(count()),
    new Option('--calls <count>', 'of plan.run in a sample, on the CPU').argParser(count()),
  ],
  budgetSeconds: { full: 90, quick: 20 },
  open(context) {
    const { device, settings } = context
    const { isGpu } = device
    const shape = settings.shapes?.[0] ?? namedShape(isGpu ? 'llama-3-8b' : 'smollm2-135m')
    const caches = settings.caches ?? own(isGpu)
    const passes = optionNumber(context, 'passes', settings.quick ? 60 : isGpu ? 300 : 1200)
    // Short: on a GPU it is not to be what is waited for, on the CPU the attention is part of run.
    const sequences = optionNumber(context, 'sequences', isGpu ? 256 : 4)
    const length = optionNumber(context, 'length', isGpu ? 64 : 8)
    const calls = optionNumber(context, 'calls', settings.quick ? 2000 : 20_000)
    let told = false
    /** Opens the backends for a cell, and tells once which are missing. */
    const withBackends = async (measure: (found: Backends) => Promise<void>) => {
      const backends = await open(device, settings.backends)
      try {
        const missing = told ? [] : backends.missing
        told = true
        for (const { name, reason } of missing) context.recorder.skip(name, reason)
        await measure(backends.found)
      } finally {
        backends[Symbol.dispose]()
      }
    }
    return {
      protocol: {
        timer: 'the host around the calls; on a GPU the stream is empty when they begin',
        order: `blocks of ${blockPasses} passes of one backend and cache; blocks shuffled within rounds`,
        warmUp: `${warmUpPasses} passes before each block`,
        run: isGpu ? 'launches alone' : 'with the attention itself, of so few tokens',
        ...(!isGpu && {
          call: `samples of ${calls} calls of plan.run, of sequences without new tokens: checks and handing over, nothing to compute`,
        }),
        native: 'a process before and one after; medians of both together',
        passes,
      },
      workload: {
        shape: shapeNumbers(shape),
        ...{ sequences, tokensEach: length, newTokens: 1, append: true },
        caches: caches.map(({ name }) => name),
      },
      cells: [
        {
          name: `${sequences} x ${length}`,
          weight: 3,
          measure: (budgetMs: number) =>
            withBackends((found) => {
              const about = { shape, caches, passes, sequences, length, budgetMs }
              return measureOverhead(context, found, native, about)
            }),
        },
        // A GPU computes behind the calls: they cost what a pass says.
        ...(isGpu
          ? []
          : [
              {
                name: 'plan.run beyond the kernel',
                measure: (budgetMs: number) =>
                  withBackends((found) =>
                    measureEmptyCalls(context, found, native, {
                      ...{ shape, caches, calls, budgetMs },
                      batches: [1, 8, 64],
                      samples: settings.quick ? 5 : 40,
                    }),
                  ),
              },
            ]),
      ].map((cell) => guarded(context, cell)),
      close: () => undefined,
    }
  },
})

export const overhead: Suite = overheadWith(openBackends)

/** One for each kind of kernel: a backend takes those that it serves. */
const own = (isGpu: boolean): readonly NamedCache[] =>
  (isGpu ? ['interleaved', 'paged-16', 'blocks-16'] : ['split', 'paged-16']).map(namedCache)
