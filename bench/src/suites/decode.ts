import { Option } from 'commander'

import { openBackends, type OpenBackends } from '../harness/index.ts'
import { namedCache, namedShape, type Suite } from '../suite/index.ts'
import { AttentionBench } from './attention/attention-bench.ts'
import { batchLabel, batchOf, type Batch } from './attention/batch-values.ts'
import { attentionProtocol, attentionWorkload } from './attention/protocol.ts'
import { decodeBars } from './decode/bars.ts'
import { measureDecode, type DecodeSettings } from './decode/measure-decode.ts'
import { count, listOf } from './option-values.ts'

const gpuCaches = [
  ...['interleaved', 'split', 'paged-16', 'paged-128', 'paged-256'],
  ...['blocks-8', 'blocks-16', 'blocks-32'],
]
const cpuCaches = ['split', 'interleaved', 'paged-16', 'blocks-16']

const gpuBatches = [
  ...['1x1024', '1x32768', '1x131072', '4x32768', '16x16384', '32x16384'],
  ...['64x4096', '128x2048', '256x1024'],
]
const cpuBatches = ['1x1024', '1x8192', '4x2048', '16x512', '64x128']

/** What is measured when nothing is said. */
const defaults = {
  gpu: { full: gpuBatches, quick: ['16x16384', '64x4096'], caches: gpuCaches },
  cpu: { full: cpuBatches, quick: ['1x1024', '4x1024'], caches: cpuCaches },
}

/** A sample lasts so long: a CPU's last-level cache takes longer to overwrite, and others use it. */
const leastMs = { gpu: { full: 6, quick: 2 }, cpu: { full: 30, quick: 15 } }

/** @param open Where the backends come from; tests give theirs. */
export const makeDecode = (open: OpenBackends = openBackends): Suite => ({
  name: 'decode',
  kind: 'kernel',
  summary:
    'Decode of batches: bytes of keys and values a second, contiguous against paged, beside what the memory gives.',
  options: () => [
    new Option('--batches <list>', 'sequences x tokens of each: 16x16384,64x4096').argParser(
      listOf(batchOf),
    ),
    new Option('--threads <count>', 'threads of attention on the CPU, default all').argParser(
      count(),
    ),
  ],
  budgetSeconds: { full: 120, quick: 15 },
  async open(context) {
    const { device, settings, options } = context
    const { quick } = settings
    const own = defaults[device.isGpu ? 'gpu' : 'cpu']
    const shapes = settings.shapes ?? [namedShape('llama-3-8b')]
    const caches = settings.caches ?? own.caches.map(namedCache)
    const threads = options.threads as number | undefined
    const batches =
      (options.batches as Batch[] | undefined) ?? own[quick ? 'quick' : 'full'].map(batchOf)
    const measured: DecodeSettings = {
      rounds: quick ? { most: 5, least: 3, warmUp: 1 } : { most: 60, least: 8, warmUp: 2 },
      leastMs: leastMs[device.isGpu ? 'gpu' : 'cpu'][quick ? 'quick' : 'full'],
      threads,
    }
    const bench = await AttentionBench.open(context, open, threads)
    const cells = shapes.flatMap((shape) => {
      const pairings = bench.pairings(shape, caches, ['decode'])
      return batches.map((batch) => ({
        name: `${shapes.length > 1 ? `${shape.name}, ` : ''}${batchLabel(batch)}`,
        measure: (budgetMs: number) =>
          measureDecode(bench, shape, batch, pairings, measured, budgetMs),
      }))
    })
    return {
      protocol: {
        ...attentionProtocol(context, measured.leastMs, threads),
        bytes: 'K and V of one layer',
        memory: device.isGpu
          ? 'a copy within the device of as many bytes, read and written together'
          : 'threads that read as many bytes (at most 1 GiB) of one buffer with memchr',
        ...(device.isGpu && { graph: 'one replay runs all layers that are rotated through' }),
      },
      workload: {
        ...attentionWorkload(shapes),
        batches: batches.map((one) => ({ ...one })),
        caches: caches.map(({ name }) => name),
      },
      cells,
      conclude: () => decodeBars(context),
      close: () => bench[Symbol.dispose](),
    }
  },
})

/** Batches that decode, over contiguous and paged caches. */
export const decode = makeDecode()
