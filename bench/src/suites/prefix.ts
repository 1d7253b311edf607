import { Option } from 'commander'

import { namedCache, namedShape, type Suite } from '../suite/index.ts'
import { guarded } from './memory/guarded.ts'
import { optionNumber, optionNumbers, shapeNumbers } from './memory/describe.ts'
import { conversations } from './prefix/conversations.ts'
import { openTraces, traceNumbers, traceOptions } from './memory/trace-options.ts'
import { count, listOf, positive } from './option-values.ts'
import { measurePrefixes } from './prefix/replays.ts'

/** Rows of a trace that are looked through for each turn of a conversation that is replayed. */
const candidates = 10

/** What shared beginnings are worth: system prompts, and conversations that go on. */
export const prefix: Suite = {
  name: 'prefix',
  kind: 'memory',
  summary:
    'Prefix sharing over a trace with hashed blocks: hit rate beside the trace’s ceiling, time to admit, bytes copied.',
  options: () => [
    ...traceOptions().filter(({ long }) => long !== '--memory'),
    new Option(
      '--memory-shares <shares>',
      'of what the trace’s tokens would take together, with commas: 1,0.25',
    ).argParser(listOf(positive)),
    new Option('--rounds <count>', 'rounds at most').argParser(count()),
  ],
  budgetSeconds: { full: 180, quick: 40 },
  async open(context) {
    const { device, settings } = context
    const { quick } = settings
    const { isGpu } = device
    const shape = settings.shapes?.[0] ?? namedShape(isGpu ? 'llama-3-8b' : 'smollm2-135m')
    const own = isGpu
      ? ['interleaved', 'split/2MiB', 'paged-16', 'paged-128']
      : quick
        ? ['split', 'interleaved/64KiB', 'paged-16']
        : ['split', 'interleaved', 'interleaved/64KiB', 'paged-16']
    const caches = settings.caches ?? own.map(namedCache)
    const rows = {
      profiles: ['mooncake-conversation'],
      requests: quick ? 60 : 400,
      maxTotalTokens: isGpu ? 32_768 : 1024,
    }
    const whole = await openTraces(context, rows)
    const turns = await openTraces(context, { ...rows, candidates, select: conversations })
    const traces = [
      ...whole,
      ...turns.map((one) => ({ ...one, name: `${one.name}, conversations alone` })),
    ]
    const shares = optionNumbers(context, 'memoryShares', [1, 0.25])
    const rounds = optionNumber(context, 'rounds', quick ? 2 : 10)
    const secondsPerStep = optionNumber(context, 'secondsPerStep', isGpu ? 0.02 : 0.1)
    return {
      protocol: {
        timer: 'the host, around allocate and the first step of each request, from JavaScript',
        order: 'rounds; in each every cache replays the trace from an empty cache, shuffled',
        hits: 'tokens of prompts that were found, over all tokens of prompts; first admissions only',
        ceiling:
          'of a cache that keeps all blocks of the trace, full or not; and of so much memory',
        conversations:
          'of the trace’s rows those that share more than the system prompt: with all of them most hits come late',
        decoding: 'simulated: sequences grow, and nothing is computed',
        secondsPerStep,
      },
      workload: {
        shape: shapeNumbers(shape),
        caches: caches.map(({ name }) => name),
        traces: traces.map(traceNumbers),
      },
      cells: traces.flatMap((trace) =>
        shares.map((memoryShare) =>
          guarded(context, {
            name: `${trace.name}, memory for ${memoryShare} of it`,
            measure: (budgetMs: number) =>
              measurePrefixes(context, {
                ...{ shape, caches, trace, memoryShare, rounds, secondsPerStep, budgetMs },
              }),
          }),
        ),
      ),
      close: () => undefined,
    }
  },
}
