import { namedCache, namedShape, type Suite } from '../suite/index.ts'
import { measureComputed } from './fragmentation/computed.ts'
import { measureTrace } from './fragmentation/replay.ts'
import { measureWaste } from './fragmentation/waste.ts'
import { optionNumber, shapeNumbers } from './memory/describe.ts'
import { openTraces, traceNumbers, traceOptions } from './memory/trace-options.ts'

const gib = 2 ** 30

/** How much of the memory that a cache takes holds tokens. */
export const fragmentation: Suite = {
  name: 'fragmentation',
  kind: 'memory',
  summary:
    'Bytes reserved, mapped and used while a trace is replayed, and the largest batch: pages, blocks and static reservation.',
  options: traceOptions,
  budgetSeconds: { full: 180, quick: 40 },
  async open(context) {
    const { device, settings } = context
    const { quick } = settings
    const { isGpu } = device
    const shape = settings.shapes?.[0] ?? namedShape(isGpu ? 'llama-3-8b' : 'smollm2-135m')
    const own = isGpu
      ? ['interleaved', 'split/2MiB', 'paged-16', 'paged-128', 'paged-256']
      : ['split', 'interleaved', 'interleaved/2MiB', 'paged-16', 'paged-128']
    const caches = settings.caches ?? own.map(namedCache)
    const traces = await openTraces(context, {
      profiles: quick
        ? ['azure-2023-conv', 'mooncake-conversation']
        : ['azure-2023-conv', 'azure-2023-code', 'mooncake-conversation'],
      requests: quick ? 60 : isGpu ? 1000 : 400,
      maxTotalTokens: isGpu ? 32_768 : quick ? 1024 : 2048,
    })
    const memory = Math.min(isGpu ? 64 * gib : quick ? gib / 4 : gib, 0.6 * device.freeBytes())
    const limitBytes = Math.floor(optionNumber(context, 'memory', memory))
    const secondsPerStep = optionNumber(context, 'secondsPerStep', isGpu ? 0.02 : 0.1)
    return {
      protocol: {
        counted: 'bytes as the caches tell them after every step; nothing is timed',
        clock: 'simulated',
        secondsPerStep,
        mapper: 'off: what is mapped ahead is no fragmentation',
        check: 'needed and used bytes of each cache beside page arithmetic, where memory is ample',
        static: 'computed: memory for the longest request of the trace, taken at once',
        mooncake: 'blocks of a trace are divided like its lengths',
      },
      workload: {
        shape: shapeNumbers(shape),
        limitBytes,
        caches: caches.map(({ name }) => name),
        traces: traces.map(traceNumbers),
      },
      cells: [
        ...traces.map((trace) => ({
          name: trace.name,
          weight: 3,
          measure: () =>
            measureTrace(context, {
              ...{ shape, caches, trace, limitBytes, secondsPerStep },
              maxSequences: isGpu ? 1024 : 256,
            }),
        })),
        {
          name: 'largest batch of published shapes, computed',
          measure: async () => {
            for (const trace of traces) measureComputed(context, trace)
          },
        },
        {
          name: 'waste of a sequence',
          measure: () => measureWaste(context, { shape, caches, maxLength: quick ? 512 : 2048 }),
        },
      ],
      close: () => undefined,
    }
  },
}
