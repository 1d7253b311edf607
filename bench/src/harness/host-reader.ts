import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

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

/** Reads the host's memory by threads, each its part of one buffer. */
export class HostReader {
  readonly bytes: number
  readonly #control: Int32Array
  readonly #workers: readonly Worker[]

  private constructor(bytes: number, control: Int32Array, workers: readonly Worker[]) {
    this.bytes = bytes
    this.#control = control
    this.#workers = workers
  }

  /** @param threads Defaults to one for each core, as the CPU's backend does. */
  static async open(bytes: number, threads = availableParallelism()): Promise<HostReader> {
    const shared = new SharedArrayBuffer(bytes)
    new Uint8Array(shared).fill(1) // pages that nothing was written to are all one
    const control = new Int32Array(new SharedArrayBuffer(8)) // round, readers that are done
    const workers = Array.from({ length: threads }, (_, i) => {
      const part = (index: number) => Math.floor((bytes * index) / threads)
      const workerData = { shared, control, from: part(i), to: part(i + 1) }
      return new Worker(readerSource, { eval: true, workerData })
    })
    await Promise.all(workers.map((worker) => new Promise((done) => worker.once('online', done))))
    return new HostReader(bytes, control, workers)
  }

  /** Reads all of it once: returns when every thread is done. */
  read(): void {
    const control = this.#control
    Atomics.store(control, 1, 0)
    Atomics.add(control, 0, 1)
    Atomics.notify(control, 0)
    const threads = this.#workers.length
    for (let done = 0; done < threads; done = Atomics.load(control, 1)) {
      Atomics.wait(control, 1, done)
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()))
  }
}
