import { Option } from 'commander'

import { openBackends, type OpenBackends } from '../harness/index.ts'
import {
  namedCache,
  namedShape,
  type NamedShape,
  type Suite,
  type SuiteContext,
} from '../suite/index.ts'
import { AttentionBench } from './attention/attention-bench.ts'
import { batchLabel, batchOf, type Batch } from './attention/batch-values.ts'
import { attentionProtocol, attentionWorkload } from './attention/protocol.ts'
import { threadsOption } from './attention/options.ts'
import { decodeBars } from './decode/bars.ts'
import { cpuDecodeBars, gigabytes } from './decode/cpu-bars.ts'
import { measureDecode, type DecodeSettings } from './decode/measure-decode.ts'
import { listOf } from './option-values.ts'

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

/** On a CPU a sample is a pass: a model's layers one after the other, as far as a gigabyte goes. */
const passBytes = 1e9

/** What is decoded: a batch of one shape. */
interface Task {
  readonly shape: NamedShape
  readonly batch: Batch
}

/** What was asked for, else the device's own; on a CPU a full run has a small model's heads, too. */
function tasksOf({ device, settings, options }: SuiteContext): Task[] {
  const { quick } = settings
  const asked = options.batches as Batch[] | undefined
  const own = defaults[device.isGpu ? 'gpu' : 'cpu'][quick ? 'quick' : 'full'].map(batchOf)
  const shapes = settings.shapes ?? [namedShape('llama-3-8b')]
  const tasks = shapes.flatMap((shape) => (asked ?? own).map((batch) => ({ shape, batch })))
  if (device.isGpu || quick || asked || settings.shapes) return tasks
  return [
    ...tasks,
    ...gigabytes.filter(({ shape }) => shapes.every(({ name }) => name !== shape.name)),
  ]
}

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
    threadsOption(),
  ],
  budgetSeconds: { full: 120, quick: 15 },
  async open(context) {
    const { device, settings, options } = context
    const { quick } = settings
    const own = defaults[device.isGpu ? 'gpu' : 'cpu']
    const tasks = tasksOf(context)
    const shapes = [...new Set(tasks.map(({ shape }) => shape))]
    const caches = settings.caches ?? own.caches.map(namedCache)
    const threads = options.threads as number | undefined
    const measured: DecodeSettings = {
      rounds: quick ? { most: 5, least: 3, warmUp: 1 } : { most: 60, least: 8, warmUp: 2 },
      leastMs: leastMs[device.isGpu ? 'gpu' : 'cpu'][quick ? 'quick' : 'full'],
      passBytes: device.isGpu || quick ? 0 : passBytes,
      threads,
    }
    const bench = await AttentionBench.open(context, open, threads)
    const pairings = new Map(
      shapes.map((shape) => [shape, bench.pairings(shape, caches, ['decode'])]),
    )
    const cells = tasks.map(({ shape, batch }) => ({
      name: `${shapes.length > 1 ? `${shape.name}, ` : ''}${batchLabel(batch)}`,
      measure: (budgetMs: number) =>
        measureDecode(bench, shape, batch, pairings.get(shape)!, measured, budgetMs),
    }))
    return {
      protocol: {
        ...attentionProtocol(context, measured.leastMs, threads),
        bytes: 'K and V of one layer',
        memory: device.isGpu
          ? 'a copy within the device of as many bytes, read and written together'
          : 'threads that read as many bytes (at most 1 GiB) of one buffer with memchr',
        ...(measured.passBytes > 0 && {
          pass: 'a sample reads all layers, or those that make a gigabyte of K and V',
        }),
        ...(device.isGpu && { graph: 'one replay runs all layers that are rotated through' }),
      },
      workload: {
        ...attentionWorkload(shapes),
        batches: tasks.map(({ shape, batch }) => ({ shape: shape.name, ...batch })),
        caches: caches.map(({ name }) => name),
      },
      cells,
      conclude: () => {
        decodeBars(context)
        cpuDecodeBars(context, threads)
      },
      close: () => bench[Symbol.dispose](),
    }
  },
})

/** Batches that decode, over contiguous and paged caches. */
export const decode = makeDecode()
