import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

import { copy, type DeviceTensor } from '@vattention/core'
import { slice } from '@vattention/interface'

import type { BenchDevice, TimedSubject } from '../../harness/index.ts'

/** What the machine's memory gives to the simplest reader of as many bytes. */
export interface MemoryRead {
  /** `sequential read` on the CPU; `device copy` on a GPU, whose bytes count as read and written. */
  readonly name: string
  /** Key of its rate. */
  readonly metric: 'readGbPerSecond' | 'copyGbPerSecond'
  /** Of one launch. */
  readonly bytes: number
  readonly timed: TimedSubject
  close(): Promise<void>
}

/** More than this is not read faster. */
const mostBytes = 2 ** 30

// memchr over bytes that are not what it looks for: the fastest reading that JavaScript has, at the
// memory's speed with enough threads.
const readerSource = `
  const { workerData } = require('node:worker_threads')
  const { shared, control, from, to } = workerData
  const part = Buffer.from(shared, from, to - from)
  for (let round = 0; ; round++) {
    Atomics.wait(control, 0, round)
    if (Atomics.load(control, 0) < 0) break
    if (part.indexOf(7) !== -1) throw new Error('memory changed while it was read')
    Atomics.add(control, 1, 1)
    Atomics.notify(control, 1)
  }`

/**
 * Reading of the host's memory by threads, each its part of one buffer.
 *
 * @param bytes At most 1 GiB is read.
 * @param threads Defaults to one for each core, as the CPU's backend does.
 */
export async function openHostRead(
  bytes: number,
  threads = availableParallelism(),
): Promise<MemoryRead> {
  const size = Math.min(bytes, mostBytes)
  const shared = new SharedArrayBuffer(size)
  new Uint8Array(shared).fill(1) // pages that nothing was written to are all one
  const control = new Int32Array(new SharedArrayBuffer(8)) // round, readers that are done
  const workers = Array.from({ length: threads }, (_, i) => {
    const part = (index: number) => Math.floor((size * index) / threads)
    const workerData = { shared, control, from: part(i), to: part(i + 1) }
    return new Worker(readerSource, { eval: true, workerData })
  })
  await Promise.all(workers.map((worker) => new Promise((done) => worker.once('online', done))))
  const run = () => {
    Atomics.store(control, 1, 0)
    Atomics.add(control, 0, 1)
    Atomics.notify(control, 0)
    for (let done = 0; done < threads; done = Atomics.load(control, 1)) {
      Atomics.wait(control, 1, done)
    }
  }
  return {
    name: 'sequential read',
    metric: 'readGbPerSecond',
    bytes: size,
    timed: { subject: { run }, layers: 1, launches: 1 },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}

/**
 * A copy within a GPU's memory: half of the bytes are read, half written.
 *
 * @param bytes Of one launch.
 * @param rotation `layers`: different pieces; `launches`: of a sample.
 */
export function openDeviceCopy(
  device: BenchDevice,
  bytes: number,
  { layers, launches }: { readonly layers: number; readonly launches: number },
): MemoryRead {
  const floats = Math.max(1, Math.floor(bytes / 8))
  const made: DeviceTensor[] = []
  try {
    made.push(device.tensor('float32', [layers, floats]))
    made.push(device.tensor('float32', [layers, floats]))
  } catch (error) {
    for (const tensor of made) tensor[Symbol.dispose]()
    throw error
  }
  const [from, to] = made as [DeviceTensor, DeviceTensor]
  const run = (layer: number) => {
    copy(slice(from, layer, layer + 1), slice(to, layer, layer + 1), device.stream)
  }
  return {
    name: 'device copy',
    metric: 'copyGbPerSecond',
    bytes: 8 * floats,
    timed: { subject: { run }, layers, launches },
    close() {
      for (const tensor of made) tensor[Symbol.dispose]()
      return Promise.resolve()
    },
  }
}
